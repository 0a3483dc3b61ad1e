/** Slow clients in a process of their own, so that opening them does not hold up the good one: PORT SLOWNESS COUNT. */
import { type Slowness, SlowClients } from "../../test/fake/slow-clients.ts";

const [port, slowness, count] = process.argv.slice(2);
const BATCHES = 20;
const BATCH_EVERY_MS = 50;

const slow = new SlowClients();
for (let batch = 0; batch < BATCHES; batch++) {
  slow.add(Number(port), slowness as Slowness, Math.round(Number(count) / BATCHES));
  await new Promise((resolve) => setTimeout(resolve, BATCH_EVERY_MS));
}
let longestMs = 0;
for (const { afterMs } of await slow.ended()) longestMs = Math.max(longestMs, afterMs);
slow.close();
console.log(longestMs);
