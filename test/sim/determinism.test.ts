import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { simulate } from "../../sim/cluster.ts";

const FAULT_MS = 12_000;
const RUN = fileURLToPath(new URL("../../sim/run.ts", import.meta.url));

function run(seed: number): ReturnType<typeof simulate> {
  return simulate({ seed, faultMs: FAULT_MS, hasFaults: true });
}

test("one seed gives one transcript, another seed another", async () => {
  const [first, again, other] = [await run(7), await run(7), await run(8)];
  assert.deepEqual([again.hash, again.steps], [first.hash, first.steps]);
  assert.notEqual(other.hash, first.hash);
});

test("two worlds that run interleaved in one process do not touch each other", async () => {
  const alone = await run(7);
  const [one, other] = await Promise.all([run(7), run(8)]);
  assert.equal(one.hash, alone.hash);
  assert.notEqual(other.hash, alone.hash);
});

test("another process gives the same transcript", async () => {
  const args = ["--conditions=thornback-source", RUN, "--seed", "7", "--minutes", String(FAULT_MS / 60_000)];
  const output = execFileSync(process.execPath, args, { timeout: 30_000 }).toString();
  const { hash } = await run(7);
  assert.match(output, new RegExp(`seed 7: hash ${hash},`));
});

test("reading a run does not change it", async () => {
  let lines = 0;
  const read = await simulate({ seed: 7, faultMs: FAULT_MS, hasFaults: true, onLine: () => lines++ });
  assert.equal(read.hash, (await run(7)).hash);
  assert.ok(lines > 1_000);
});
