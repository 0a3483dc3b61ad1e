/**
 * What else a replica answers while its model computes for seconds: `/-/readyz`, a method and a stream, each on an open
 * loop through the proxy. The promise: p99 of 20 ms at most. A large lag of the load itself says that the machine had other
 * work, and that the figures are not the replica's.
 *
 *   npm run bench:during-run -- [--seconds 5] [--rate 100] [--threads 1]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { writeLongRun } from "../../test/fixture/long-run.ts";
import { eventually, post, startCluster, type TestCluster } from "../../test/integration/cluster.ts";

const MOST_P99_MS = 20;
/** Connections are opened and code is compiled meanwhile, which is another promise's. */
const WARM_UP_MS = 1_000;
const PATHS = ["/-/readyz", "/plain", "/stream"] as const;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "5" },
    rate: { type: "string", default: "100" },
    threads: { type: "string", default: "1" },
  },
});

const cluster = await startCluster();
try {
  const folder = path.join(cluster.project.dir, "long");
  const deployed = await cluster.serve(["deploy", writeLongRun(folder, Number(values.threads))]);
  if (deployed.code !== 0) throw new Error(deployed.err);
  const before = await measure(cluster, new Promise((resolve) => setTimeout(resolve, 3 * WARM_UP_MS)));
  const run = post(`${cluster.http}/run`, Number(values.seconds));
  await eventually(async () => {
    const { body } = await post(`${cluster.http}/plain`, {});
    return (body as { isRunning: boolean }).isRunning ? true : undefined;
  }, 60_000);
  const during = await measure(cluster, run);
  console.log(`a run of ${Number((await run).body).toFixed(0)} ms on ${values.threads} thread(s)\n`);
  print(before, during);
} finally {
  await cluster.close();
}

/** Loads every path until `end`. */
async function measure({ http }: TestCluster, end: Promise<unknown>): Promise<readonly LoadReport[]> {
  const ratePerSecond = Number(values.rate);
  const loads = PATHS.map((target) =>
    startLoad({ url: `${http}${target}`, ratePerSecond, timeoutMs: 10_000, warmUpMs: WARM_UP_MS }),
  );
  await end;
  return await Promise.all(loads.map((load) => load.stop()));
}

function print(before: readonly LoadReport[], during: readonly LoadReport[]): void {
  const rows = [
    ["path", "idle p99 ms", "p50 ms", "p99 ms", "max ms", "load's lag p99 ms", "answers", "failed", "promise"],
  ];
  for (const [at, target] of PATHS.entries()) {
    const [idle, report] = [before[at], during[at]];
    if (idle === undefined || report === undefined) continue;
    const { p50Ms, p99Ms, maxMs } = report.latency;
    const failedCount = Object.values(report.failures).reduce((sum, count) => sum + count, 0);
    const figures = [idle.latency.p99Ms, p50Ms, p99Ms, maxMs, report.lag.p99Ms].map((ms) => ms.toFixed(2));
    const isKept = p99Ms <= MOST_P99_MS && failedCount === 0;
    const counts = [String(report.succeeded), String(failedCount)];
    rows.push([target, ...figures, ...counts, isKept ? "kept" : `NOT KEPT: p99 of ${MOST_P99_MS} ms at most`]);
    if (!isKept) process.exitCode = 1;
  }
  console.log(table(rows));
}
