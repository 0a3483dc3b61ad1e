import assert from "node:assert/strict";
import { test } from "node:test";
import { UtilisationMeter, type WorkedMs } from "../../../../worker/replica/utilisation.ts";

test("the busiest part tells how busy the replica is, in steps of a twentieth", () => {
  let [loopMs, batchMs] = [500, 90];
  const meter = new UtilisationMeter(() => [() => loopMs, () => batchMs], 1_000);
  loopMs += 120;
  batchMs += 333;
  assert.equal(meter.look(2_000), 0.35);
  loopMs += 700;
  assert.equal(meter.look(3_000), 0.7);
  assert.equal(meter.look(4_000), 0);
});

test("a share above all of the time is told as all of it", () => {
  let workedMs = 0;
  const meter = new UtilisationMeter(() => [() => workedMs], 0);
  workedMs = 1_500;
  assert.equal(meter.look(1_000), 1);
});

test("a part that appears later counts from the next look on", () => {
  const parts: WorkedMs[] = [() => 0];
  const meter = new UtilisationMeter(() => parts, 0);
  parts.push((now) => 5_000 + now / 2);
  assert.equal(meter.look(1_000), 0);
  assert.equal(meter.look(2_000), 0.5);
});

test("a part that tells no number does not hide the others", () => {
  let workedMs = 0;
  const meter = new UtilisationMeter(() => [() => Number.NaN, () => workedMs], 0);
  workedMs = 300;
  assert.equal(meter.look(1_000), 0.3);
});
