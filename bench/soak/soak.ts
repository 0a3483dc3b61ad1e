/**
 * Everything at once, at half of what the replicas can do: requests of all kinds and sizes, event streams, WebSockets,
 * calls between deployments, clients that leave, replicas that are killed every few seconds, and a rollout in the middle.
 * Every exchange must end exactly once and as its kind may, the proxies' counts must agree with the clients', and memory
 * and open files must stay what they are. Prints what happened; exits with 1 where something must not be.
 *
 *   npm run soak -- [--minutes 10] [--front llhttp] [--rate 1] [--kill-every-seconds 4]
 */
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { DEFAULT_HTTP_FRONT } from "../../core/process-config.ts";
import { eventually, startCluster } from "../../test/integration/cluster.ts";
import { Ledger } from "./ledger.ts";
import { ProcessSamples } from "./process-samples.ts";
import { disagreements, leftovers } from "./server-figures.ts";
import { SoakTraffic } from "./traffic.ts";
import { deployRound, Killer } from "./trouble.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    front: { type: "string", default: DEFAULT_HTTP_FRONT },
    rate: { type: "string", default: "1" },
    "kill-every-seconds": { type: "string", default: "4" },
  },
});
/** The longest exchange, its deadline included. */
const ENDING_MS = 30_000;
const halfMs = Number(values.minutes) * 30_000;

const problems: string[] = [];
const ledger = new Ledger();
const cluster = await startCluster(["--log-level", "warn", "--http-front", values.front]);
try {
  await deployRound(cluster, 0);
  const samples = new ProcessSamples(cluster);
  const traffic = new SoakTraffic(cluster.http, ledger, Number(values.rate));
  const killer = new Killer(String(cluster.admin), Number(values["kill-every-seconds"]) * 1_000);
  await wait(halfMs);
  await deployRound(cluster, 1);
  await wait(halfMs);
  killer.stop();
  samples.stop();
  await traffic.stop(ENDING_MS);
  const idle = await eventually(async () => {
    const text = await (await fetch(`${cluster.http}/-/metrics`)).text();
    return leftovers(text).length === 0 ? text : undefined;
  }).catch(() => undefined);
  const text = idle ?? (await (await fetch(`${cluster.http}/-/metrics`)).text());
  problems.push(
    ...ledger.problems(),
    ...leftovers(text),
    ...disagreements(text, ledger.outcomes),
    ...samples.problems(),
  );
  print(samples, killer.killCount);
} finally {
  await cluster.close();
}
for (const problem of problems) console.error(`WRONG: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;

function print(samples: ProcessSamples, killCount: number): void {
  const outcomes = [...ledger.outcomes].map(([{ name }, counts]) => {
    const sorted = [...counts].toSorted(([, one], [, other]) => other - one);
    return [name, sorted.map(([outcome, count]) => `${count} × ${outcome}`).join(", ")];
  });
  console.log(`${values.minutes} minutes, ${values.front} front, ${killCount} replicas killed, one rollout`);
  console.log(`\n${table([["kind", "outcomes"], ...outcomes])}\n\n${table(samples.rows())}`);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
