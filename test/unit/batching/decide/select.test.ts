import assert from "node:assert/strict";
import { test } from "node:test";
import { select, type SelectItem, type SelectLimits } from "../../../../batching/decide/select.ts";

type Item = SelectItem & { readonly name: string };

const NO_LIMITS: SelectLimits = { maxItems: 100, maxCost: Number.POSITIVE_INFINITY };

function item(name: string, given: Partial<SelectItem> = {}): Item {
  return { name, priority: 0, key: "", length: undefined, cost: undefined, ...given };
}

const names = ({ items }: { readonly items: readonly Item[] }): string => items.map(({ name }) => name).join(" ");
const ofLengths = (...lengths: number[]): Item[] => lengths.map((length, at) => item(`${at}:${length}`, { length }));

test("the first that wait run together, in order, up to the limit", () => {
  const selection = select(
    [..."abcd"].map((name) => item(name)),
    { ...NO_LIMITS, maxItems: 3 },
    undefined,
  );
  assert.equal(names(selection), "a b c");
  assert.equal(selection.isFull, true);
  assert.equal(selection.work, 3);
});

test("items of another key are left for a batch of their own, and that of the first comes first", () => {
  const waiting = [item("a1", { key: "a" }), item("b1", { key: "b" }), item("a2", { key: "a" })];
  assert.equal(names(select(waiting, NO_LIMITS, undefined)), "a1 a2");
  assert.equal(names(select(waiting.slice(1), NO_LIMITS, undefined)), "b1");
});

test("costs end a batch where the next one would be too much, and nobody overtakes it", () => {
  const waiting = [item("a", { cost: 5 }), item("b", { cost: 6 }), item("c", { cost: 1 })];
  const selection = select(waiting, { ...NO_LIMITS, maxCost: 10 }, undefined);
  assert.equal(names(selection), "a");
  assert.equal(selection.isFull, true);
});

test("with lengths those of about the first's run with it, however long others wait", () => {
  const waiting = ofLengths(100, 10, 95, 500, 12, 105, 90);
  assert.equal(names(select(waiting, NO_LIMITS, { fixedMs: 1, unitMs: 0.01 })), "0:100 2:95 5:105 6:90");
});

test("where a run costs much of itself padding is cheaper than a run", () => {
  const waiting = ofLengths(100, 10, 95, 500);
  assert.equal(select(waiting, NO_LIMITS, { fixedMs: 1_000, unitMs: 0.01 }).items.length, 4);
});

test("before anything is known of run times lengths a little apart run together, and those far apart do not", () => {
  const waiting = ofLengths(100, 10, 95, 500);
  assert.equal(names(select(waiting, { ...NO_LIMITS, maxItems: 8 }, undefined)), "0:100 2:95");
});

test("of equal lengths the oldest run first", () => {
  const waiting = ofLengths(50, 50, 50, 50, 50);
  assert.equal(names(select(waiting, { ...NO_LIMITS, maxItems: 3 }, undefined)), "0:50 1:50 2:50");
});

test("padded lengths are what is limited where nobody says what an item costs", () => {
  const waiting = ofLengths(50, 45, 40, 48);
  const selection = select(waiting, { ...NO_LIMITS, maxCost: 100 }, { fixedMs: 1, unitMs: 0.01 });
  assert.equal(selection.items.length, 2);
  assert.ok(selection.work <= 100);
});

test("a higher priority goes first, and lower ones only fill up where they are no burden", () => {
  const high = ofLengths(100, 90).map((each) => ({ ...each, priority: 1 }));
  const low = [item("low 95", { length: 95 }), item("low 10", { length: 10 }), item("low 500", { length: 500 })];
  const times = { fixedMs: 1, unitMs: 0.01 };
  assert.equal(names(select([...high, ...low], NO_LIMITS, times)), "0:100 1:90 low 95");
  assert.equal(names(select([...high, ...low], { ...NO_LIMITS, maxItems: 2 }, times)), "0:100 1:90");
});

test("with nothing waiting nothing is selected", () => {
  assert.deepEqual(select([], NO_LIMITS, undefined), { items: [], work: 0, isFull: false });
});
