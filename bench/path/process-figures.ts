import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** CPU time that all threads of the processes have used so far, in microseconds. */
export function cpuMicros(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
      // A thread that ended meanwhile takes a few microseconds with it.
      const text = textOf(`/proc/${String(pid)}/task/${thread}/schedstat`);
      nanoseconds += Number(text.split(" ", 1)[0]);
    }
  }
  return nanoseconds / 1_000;
}

/** Memory of a process that is resident now, in megabytes. */
export function residentMegabytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(textOf(`/proc/${String(pid)}/status`))?.[1] ?? 0) / 1_024;
}

/** Open connections that a process has at a port it listens on. */
export function connectionCount(pid: number, port: number): number {
  const inodes = new Set<string>();
  for (const line of textOf(`/proc/${String(pid)}/net/tcp`)
    .split("\n")
    .slice(1)) {
    // sl local remote state tx:rx tr:when retransmits uid timeout inode; state 01 is established.
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    if (state === "01" && Number.parseInt(local.split(":")[1] ?? "", 16) === port) inodes.add(inode);
  }
  const folder = `/proc/${String(pid)}/fd`;
  const links = readdirSync(folder).map((fd) => linkOf(`${folder}/${fd}`));
  return links.filter((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? "")).length;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Gone between the listing and the look.
    return "";
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // Closed between the listing and the look.
    return "";
  }
}
