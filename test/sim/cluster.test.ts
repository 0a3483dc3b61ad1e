import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type RunResult, simulate } from "../../sim/cluster.ts";

type RegressionSeed = {
  readonly seed: number;
  readonly minutes: number;
  /** 1 without. */
  readonly load?: number;
  readonly hasFaults: boolean;
  readonly found: string;
};

const REGRESSIONS = JSON.parse(
  readFileSync(new URL("regression-seeds.json", import.meta.url), "utf8"),
) as readonly RegressionSeed[];
const FRESH_SEEDS = 10;
const FAULT_MS = 21_000;

function assertClean(result: RunResult, minutes: number): void {
  const [first] = result.violations;
  if (first === undefined) return;
  const tail = result.tail.slice(-20).join("\n");
  assert.fail(
    `seed ${result.seed}: ${first.check}: ${first.message}\nreplay: npm run sim -- --seed ${result.seed} --minutes ${minutes} --verbose\n${tail}`,
  );
}

test("seeds that once found a bug find nothing", async () => {
  for (const { seed, minutes, load, hasFaults } of REGRESSIONS) {
    assertClean(await simulate({ seed, faultMs: minutes * 60_000, hasFaults, load }), minutes);
  }
});

test("fresh seeds find nothing, and show every kind of fault over enough requests", async (t) => {
  const first = Math.floor(Math.random() * 1_000_000);
  t.diagnostic(`seeds ${first} to ${first + FRESH_SEEDS - 1}`);
  const shown = new Set<string>();
  for (let seed = first; seed < first + FRESH_SEEDS; seed++) {
    const result = await simulate({ seed, faultMs: FAULT_MS, hasFaults: true });
    assertClean(result, FAULT_MS / 60_000);
    assert.ok(result.virtualMs >= 20_000 && result.requests >= 200, `seed ${seed} is too small a run`);
    for (const [kind, count] of Object.entries(result.faults)) if (count > 0) shown.add(kind);
  }
  assert.equal(shown.size, 16, `only ${[...shown].join(", ")}`);
});

test("without faults, deploys, scaling and deletions lose no request that is not idempotent either", async () => {
  for (const seed of [1, 2, 3, 4]) {
    const result = await simulate({ seed, faultMs: 30_000, hasFaults: false });
    assertClean(result, 0.5);
    assert.equal(result.outcomes["replica_lost"], undefined, `seed ${seed}`);
    assert.equal(result.outcomes["internal"], undefined, `seed ${seed}`);
    assert.ok((result.outcomes["ok"] ?? 0) > 200, `seed ${seed}`);
  }
});
