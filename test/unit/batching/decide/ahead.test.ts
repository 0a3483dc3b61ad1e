import assert from "node:assert/strict";
import { test } from "node:test";
import { ahead, type AheadInput, leadMs } from "../../../../batching/decide/ahead.ts";

/** 2 ms, and 0.375 ms for each item. */
const runMs = (count: number): number => 2 + 0.375 * count;

function input(given: Partial<AheadInput>): AheadInput {
  return {
    count: 28,
    isFull: false,
    hasOthers: false,
    maxCount: 64,
    expected: [],
    pauseUntil: Number.POSITIVE_INFINITY,
    runMs,
    ...given,
  };
}

const [NOW, ENDS_AT] = [98, 100];

test("a batch that is expected to take 20 ms, give or take 0.5, is followed up 1.5 ms before its end", () => {
  assert.equal(leadMs({ runMs: 20, deviationMs: 0.5 }), 1.5);
});

test("where runs differ much it is a quarter of the run before and 1 ms more; of a short one half", () => {
  assert.equal(leadMs({ runMs: 20, deviationMs: 12 }), 6);
  assert.equal(leadMs({ runMs: 3, deviationMs: 2 }), 1.5);
  assert.equal(leadMs({ runMs: 1, deviationMs: 0 }), 0.5);
});

test("with nobody waiting nothing is handed over", () => {
  assert.deepEqual(ahead(input({ count: 0 }), ENDS_AT, NOW), { kind: "wait", reason: "nobody" });
});

test("what is full is handed over, whoever is about to come back", () => {
  const expected = [{ withinMs: 0.1, count: 64 }];
  const decision = ahead(input({ count: 1, isFull: true, expected }), ENDS_AT, NOW);
  assert.deepEqual(decision, { kind: "handOver", reason: "full" });
});

test("what comes at random is handed over: nobody is waited for", () => {
  assert.deepEqual(ahead(input({ count: 1 }), ENDS_AT, NOW), { kind: "handOver", reason: "sooner" });
});

test("28 wait and 36 run: with no gap between them two batches are sooner done than one after a pause", () => {
  const expected = [{ withinMs: 2, count: 36 }];
  assert.equal(ahead(input({ expected }), ENDS_AT, NOW).kind, "handOver");
});

test("1 waits and 15 run: they are brought together", () => {
  const expected = [{ withinMs: 0.25, count: 15 }];
  const ms = (count: number): number => 5 + 0.22 * count;
  const decision = ahead(input({ count: 1, expected, runMs: ms }), ENDS_AT, NOW);
  assert.deepEqual(decision, { kind: "wait", reason: "pause" });
});

test("a pause that is only just better for an idle handler is not, because the model idles for it", () => {
  const expected = [{ withinMs: 0.5, count: 4 }];
  const ms = (count: number): number => 1.4 + 0.1 * count;
  const decide = (now: number): string => ahead(input({ count: 4, expected, runMs: ms }), ENDS_AT, now).kind;
  assert.equal(decide(ENDS_AT - 2), "handOver");
  assert.equal(decide(ENDS_AT), "wait", "so late the model idles anyhow");
});

test("a pause that nobody may have is no plan", () => {
  const expected = [{ withinMs: 0.25, count: 15 }];
  const given = { count: 1, expected, runMs: (count: number) => 5 + 0.22 * count };
  assert.equal(ahead(input({ ...given, pauseUntil: ENDS_AT }), ENDS_AT, NOW).kind, "handOver");
  assert.equal(ahead(input({ ...given, pauseUntil: ENDS_AT + 1 }), ENDS_AT, NOW).kind, "wait");
});

test("while others wait that may not run with these, these are handed over", () => {
  const expected = [{ withinMs: 0.25, count: 15 }];
  const decision = ahead(input({ count: 1, hasOthers: true, expected }), ENDS_AT, NOW);
  assert.deepEqual(decision, { kind: "handOver", reason: "sooner" });
});
