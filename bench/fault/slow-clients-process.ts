/**
 * Slow clients in a process of their own, so that opening them does not hold up the good one:
 * PORT SLOWNESS COUNT ROUNDS BEGIN_AT. It begins at that time of the clock, when it is itself long started.
 */
import { type Slowness, SlowClients } from "../../test/fake/slow-clients.ts";

const [port, slowness, count, rounds, beginAt] = process.argv.slice(2);
const BATCHES = 20;
const BATCH_EVERY_MS = 50;

let longestMs = 0;
await wait(Number(beginAt) - Date.now());
for (let round = 0; round < Number(rounds); round++) {
  const slow = new SlowClients();
  for (let batch = 0; batch < BATCHES; batch++) {
    slow.add(Number(port), slowness as Slowness, Math.round(Number(count) / BATCHES));
    await wait(BATCH_EVERY_MS);
  }
  for (const { afterMs } of await slow.ended()) longestMs = Math.max(longestMs, afterMs);
  slow.close();
}
console.log(longestMs);

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
