import { readdirSync, readFileSync } from "node:fs";

/** The thread of a process that used most CPU time while `work` went on: with one thread for the model, that is the model's. */
export async function busiestThread(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = cpuTimes(pid);
  await work();
  const used = [...cpuTimes(pid)].map(([thread, time]) => ({ thread, time: time - (before.get(thread) ?? 0) }));
  const [most] = used.sort((a, b) => b.time - a.time);
  if (most === undefined) throw new Error(`process ${String(pid)} has no threads: it has ended`);
  return most.thread;
}

function cpuTimes(pid: number): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
    try {
      const text = readFileSync(`/proc/${String(pid)}/task/${thread}/schedstat`, "utf8");
      times.set(Number(thread), Number(text.split(" ", 1)[0]));
    } catch {
      // Ended between the listing and the look.
      continue;
    }
  }
  return times;
}
