/**
 * How much a good client feels of 500 slow ones, and when those are closed; for both fronts.
 *
 *   node --conditions=thornback-source bench/fault/slowloris.ts [--clients 500] [--rate 100] [--rounds 3]
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { table } from "../../cli/print.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { Slowness } from "../../test/fake/slow-clients.ts";
import { deployed } from "./deployed.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "500" },
    rate: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
  },
});
const clientCount = Number(values.clients);
const ratePerSecond = Number(values.rate);
const rounds = Number(values.rounds);
const WARM_UP_MS = 1_000;
/** As long as slow clients are let be. */
const ROUND_MS = 6_000;
const SLOW_PROGRAM = fileURLToPath(new URL("slow-clients-process.ts", import.meta.url));

const APP = `
import { deployment } from "thornback";
class Echo {
  async predict(input) {
    return input;
  }
}
export default deployment(Echo, { numReplicas: 1 }).bind();
`;

const rows = [["front", "slow", "closed after ms", "good p99 ms", "normal p99 ms", "ratio", "good failed"]];
for (const front of ["llhttp", "node"]) {
  const cluster = await deployed(APP, ["--http-front", front]);
  try {
    const normal = await measured(cluster.http, () => wait(WARM_UP_MS + rounds * ROUND_MS));
    for (const slowness of ["head", "body"] satisfies Slowness[]) {
      let longestMs = 0;
      const report = await measured(cluster.http, async () => {
        longestMs = await attack(cluster.http, slowness);
      });
      const [during, before] = [report.latency.p99Ms, normal.latency.p99Ms];
      const figures = [longestMs.toFixed(0), during.toFixed(1), before.toFixed(1), (during / before).toFixed(2)];
      rows.push([front, `${clientCount} × ${slowness}`, ...figures, String(report.sent - report.succeeded)]);
    }
  } finally {
    await cluster.close();
  }
}
console.log(table(rows));

/** A load for as long as something takes. */
async function measured(url: string, during: () => Promise<void>): Promise<LoadReport> {
  const headers = { "content-type": "application/json" };
  const request = { url, method: "POST", headers, body: "{}" };
  const load = startLoad({ ...request, ratePerSecond, timeoutMs: 10_000, warmUpMs: WARM_UP_MS });
  await during();
  return load.stop();
}

/** Gives how long the slow client that was closed last had been connected. */
async function attack(url: string, slowness: Slowness): Promise<number> {
  const args = [new URL(url).port, slowness, clientCount, rounds, Date.now() + WARM_UP_MS].map(String);
  const program = ["--conditions=thornback-source", SLOW_PROGRAM, ...args];
  return Number(
    (await promisify(execFile)(process.execPath, program, { timeout: WARM_UP_MS + rounds * 20_000 })).stdout,
  );
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
