/**
 * How long `npx serve run examples/digits/app.ts` takes from its start to the first correct answer, and how much memory
 * all processes take at idle with one replica and one blank. Each run has a data directory of its own, so nothing is
 * warm but the file system; `--warm` keeps one data directory, as a second start by a user would.
 *
 *   npm run bench:start -- [--runs 5] [--warm]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = new URL("../..", import.meta.url).pathname;
const { values } = parseArgs({ options: { runs: { type: "string", default: "5" }, warm: { type: "boolean" } } });
const runs = Number(values.runs);

type Sample = { readonly input: { readonly pixels: readonly number[] }; readonly label: number };
type Result = { readonly ms: number; readonly pssMb: number; readonly processes: number };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

/** The first held-out digit, with the label the model gives it offline. */
async function firstSample(): Promise<Sample> {
  const file = join(root, "examples/digits/held-out.json");
  const [first] = JSON.parse(await readFile(file, "utf8")) as { pixels: number[]; label: number }[];
  if (first === undefined) throw new Error(`${file} holds no sample`);
  return { input: { pixels: first.pixels }, label: first.label };
}

async function answer(url: string, sample: Sample): Promise<boolean> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(sample.input),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      return false;
    }
    const { label } = (await response.json()) as { label: number };
    if (label !== sample.label) throw new Error(`wrong answer: ${label} instead of ${sample.label}`);
    return true;
  } catch (error) {
    // Nothing listens yet: that is what is being waited for.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** Proportional memory of every process that names the data directory; npm's own process is not ours. */
async function memory(dataDir: string): Promise<{ pssMb: number; processes: number }> {
  let kilobytes = 0;
  let processes = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!commandLine.includes(dataDir) || commandLine.startsWith("npm ") || commandLine.startsWith("sh\0")) continue;
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    processes += 1;
  }
  return { pssMb: kilobytes / 1024, processes };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  process.kill(-child.pid, "SIGINT");
  await exited;
}

async function run(dataDir: string, sample: Sample): Promise<Result> {
  const [http, admin, grpc] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = ["--http-port", `${http}`, "--admin-port", `${admin}`, "--grpc-port", `${grpc}`];
  const startedAt = performance.now();
  const child = spawn("npx", ["serve", "run", "examples/digits/app.ts", "--data-dir", dataDir, ...ports], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    while (!(await answer(`http://127.0.0.1:${http}/`, sample))) {
      if (child.exitCode !== null) throw new Error(`serve run ended with exit code ${child.exitCode}`);
      if (performance.now() - startedAt > 60_000) throw new Error("no answer within a minute");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const ms = performance.now() - startedAt;
    // The blank that replaces the used one starts after the answer; give it time to be part of the figure.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    return { ms, ...(await memory(dataDir)) };
  } finally {
    await stop(child);
  }
}

const sample = await firstSample();
const results: Result[] = [];
let dataDir = "";
for (let i = 0; i < runs; i++) {
  if (dataDir === "" || values.warm !== true) dataDir = await mkdtemp(join(tmpdir(), "thornback-bench-"));
  const result = await run(dataDir, sample);
  results.push(result);
  console.log(
    `run ${i + 1}: first answer after ${result.ms.toFixed(0)} ms; ${result.processes} processes, ${result.pssMb.toFixed(0)} MB PSS`,
  );
  if (values.warm !== true || i === runs - 1) await rm(dataDir, { recursive: true, force: true });
}
const sorted = results.map((result) => result.ms).sort((a, b) => a - b);
const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
const most = Math.max(...results.map((result) => result.pssMb));
console.log(
  `median ${median.toFixed(0)} ms (${sorted[0]?.toFixed(0)}–${sorted.at(-1)?.toFixed(0)}) on ${availableParallelism()} cores; most memory ${most.toFixed(0)} MB PSS`,
);
