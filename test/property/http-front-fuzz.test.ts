import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzzHttpFronts } from "../case/http-front-fuzz.ts";

const COUNT = 20_000;

test("both fronts make the same of any bytes, or the one on llhttp refuses more", { timeout: 120_000 }, async () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 1_000_000));
  const { disagreements, ...counts } = await fuzzHttpFronts({ seed, count: COUNT, concurrency: 64 });
  assert.deepEqual(disagreements, [], `from seed ${seed}`);
  const { requestCount, refusedCount } = counts;
  // Neither only good requests nor only bad ones would show anything.
  assert.ok(requestCount > COUNT / 2 && refusedCount > COUNT / 20, JSON.stringify(counts));
});
