/**
 * The differential fuzz of both fronts for as long as one likes: `--count 1000000 --seed 1 --concurrency 64`. Prints what
 * was tried, and every disagreement with its bytes; exits with 1 where there is one.
 */
import { parseArgs } from "node:util";
import { fuzzHttpFronts } from "../../test/case/http-front-fuzz.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    concurrency: { type: "string", default: "64" },
  },
});
const [count, seed, concurrency] = [Number(values.count), Number(values.seed), Number(values.concurrency)];
const startedAt = performance.now();
console.log(`${count} cases from seed ${seed}`);
const { disagreements, ...counts } = await fuzzHttpFronts({ seed, count, concurrency }, (done) => {
  if (done % 50_000 === 0) console.log(`${done} tried, ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
});
console.log(JSON.stringify(counts));
for (const found of disagreements) console.log(JSON.stringify(found));
process.exitCode = disagreements.length === 0 ? 0 : 1;
