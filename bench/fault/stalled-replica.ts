/**
 * How much the callers of three replicas feel of one that is stopped (SIGSTOP), or a hundred times slower than the others:
 * the p99 of what was due from a second after that on, by the others' p99 before. An answer that took a second or longer
 * came from the slow one; how many did is told beside it.
 *
 *   node --conditions=thornback-source bench/fault/stalled-replica.ts [--rate 150] [--seconds 10] [--rounds 3] [--front llhttp]
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { DEFAULT_HTTP_FRONT } from "../../core/process-config.ts";
import { LatencyHistogram } from "../../load/latency-histogram.ts";
import type { Ending } from "../../load/load-report.ts";
import { startLoad } from "../../load/open-loop.ts";
import { whenReady } from "../../test/integration/cluster-processes.ts";
import { deployed } from "./deployed.ts";

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "150" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    front: { type: "string", default: DEFAULT_HTTP_FRONT },
  },
});
const ratePerSecond = Number(values.rate);
const spanMs = Number(values.seconds) * 1_000;
const NOTICED_MS = 1_000;
const SLOW_MS = 2_000;
const DEADLINE_MS = 5_000;
/** Of a load, before which nothing counts. */
const WARM_UP_MS = 2_000;

/** GET is idempotent, POST is not. The replica whose pid stands in the file is slow. */
const APP = `
import { readFileSync } from "node:fs";
import { deployment } from "thornback";
const isSlow = (): boolean => {
  try {
    return readFileSync(process.env["SLOW_FILE"] ?? "", "utf8") === String(process.pid);
  } catch {
    return false;
  }
};
class Model {
  async fetch(): Promise<Response> {
    await new Promise((resolve) => setTimeout(resolve, isSlow() ? ${SLOW_MS} : 20));
    return Response.json(process.pid);
  }
}
export default deployment(Model, {
  numReplicas: 3,
  requestTimeoutMs: ${DEADLINE_MS},
  env: { SLOW_FILE: SLOW_FILE_PATH },
}).bind();
`;

const slowFile = path.join(tmpdir(), `thornback-slow-${process.pid}`);
const cluster = await deployed(APP.replace("SLOW_FILE_PATH", JSON.stringify(slowFile)), ["--http-front", values.front]);
const rows = [["replica", "method", "p99 before ms", "p99 after ms", "ratio", "took ≥ 1 s", "outcomes"]];
const stop: Fault = {
  name: "stopped",
  begin: (pid) => process.kill(pid, "SIGSTOP"),
  end: (pid) => signal(pid, "SIGCONT"),
};
const slow: Fault = {
  name: "100 × slower",
  begin: (pid) => writeFileSync(slowFile, String(pid)),
  end: () => rmSync(slowFile, { force: true }),
};
try {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const fault of [stop, slow]) {
      await measured("GET", fault);
      await measured("POST", fault);
    }
  }
} finally {
  rmSync(slowFile, { force: true });
  await cluster.close();
}
console.log(table(rows));

type Fault = { readonly name: string; readonly begin: (pid: number) => void; readonly end: (pid: number) => void };

/** A replica that is stopped for long is ended by its worker meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (existsSync(`/proc/${pid}`)) process.kill(pid, name);
}

async function measured(method: "GET" | "POST", fault: Fault): Promise<void> {
  const admin = String(cluster.admin);
  const pid = (await whenReady(admin, 3))[0]?.pid ?? 0;
  const endings: Ending[] = [];
  const onEnding = (ending: Ending): void => void endings.push(ending);
  const startedAt = performance.now();
  const load = startLoad({ url: cluster.http, method, ratePerSecond, timeoutMs: 10_000, onEnding });
  await wait(spanMs);
  const beganAt = performance.now();
  fault.begin(pid);
  await wait(spanMs);
  fault.end(pid);
  const { outcomes } = await load.stop();
  // One that failed is left out longer the next time; its successor is not.
  signal(pid, "SIGKILL");
  await whenReady(admin, 3, [pid]);
  const before = p99Of(endings.filter(({ dueAt }) => dueAt >= startedAt + WARM_UP_MS && dueAt < beganAt));
  const late = endings.filter(({ dueAt }) => dueAt >= beganAt + NOTICED_MS);
  const isFromSlow = ({ dueAt, endedAt }: Ending): boolean => endedAt - dueAt >= NOTICED_MS;
  const after = p99Of(late.filter((one) => !isFromSlow(one)));
  const figures = [
    before.toFixed(1),
    after.toFixed(1),
    (after / before).toFixed(2),
    String(late.filter(isFromSlow).length),
  ];
  rows.push([fault.name, method, ...figures, JSON.stringify(outcomes)]);
  console.error(rows.at(-1)?.join("  "));
}

function p99Of(endings: readonly Ending[]): number {
  const histogram = new LatencyHistogram();
  for (const { dueAt, endedAt } of endings) histogram.record(endedAt - dueAt);
  return histogram.summary().p99Ms;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
