/**
 * How much a good client feels of 500 slow ones, and when those are closed; for both fronts.
 *
 *   node --conditions=thornback-source bench/fault/slowloris.ts [--clients 500] [--rate 100] [--seconds 5]
 *
 * Good and slow clients share this process, so its figures are no better than the real ones.
 */
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { startLoad } from "../../load/open-loop.ts";
import { type Slowness, SlowClients } from "../../test/fake/slow-clients.ts";
import { deployed } from "./deployed.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "500" },
    rate: { type: "string", default: "100" },
    seconds: { type: "string", default: "5" },
  },
});
const clientCount = Number(values.clients);
const ratePerSecond = Number(values.rate);
const WARM_UP_MS = 1_000;

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
    const normal = await measured(cluster.http, () => wait(Number(values.seconds) * 1_000 + WARM_UP_MS));
    for (const slowness of ["head", "body"] satisfies Slowness[]) {
      const slow = new SlowClients();
      let longestMs = 0;
      const report = await measured(cluster.http, async () => {
        await wait(WARM_UP_MS);
        slow.add(Number(new URL(cluster.http).port), slowness, clientCount);
        for (const { afterMs } of await slow.ended()) longestMs = Math.max(longestMs, afterMs);
      });
      slow.close();
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

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
