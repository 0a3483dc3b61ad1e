/** The controller ends at every write that a series of deploys, rollouts and changes by hand makes, one run for each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "../../sim/cluster.ts";

/** A world whose operator is in a hurry: deploys, steps of a rollout, a refused version and scaling in this time. */
const WORLD = { seed: 11, faultMs: 12_000, hasFaults: false, load: 0.25 };

for (const isWritten of [false, true]) {
  const moment = isWritten ? "after it is on the disk and before anybody hears so" : "before it is on the disk";
  test(`a controller that is killed at any of its writes, ${moment}, converges and loses nothing`, async (t) => {
    const { writes } = await simulate(WORLD);
    assert.ok(writes >= 15, `${writes} writes are too few to show anything`);
    t.diagnostic(`${writes} writes`);
    for (let write = 1; write <= writes; write++) {
      const { violations, outcomes, writes: made } = await simulate({ ...WORLD, crashAtWrite: { write, isWritten } });
      assert.ok(made >= write, `write ${write} never came`);
      assert.deepEqual(violations, [], `killed at write ${write}`);
      assert.ok((outcomes["ok"] ?? 0) > 0);
    }
  });
}
