import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingItems } from "../../../batching/waiting-items.ts";

const entry = (name: string, priority = 0): { name: string; priority: number } => ({ name, priority });
const names = (items: WaitingItems<{ name: string; priority: number }>): string =>
  [...items].map(({ name }) => name).join(" ");

test("a higher priority comes first, and within one the order of arrival", () => {
  const items = new WaitingItems<{ name: string; priority: number }>();
  for (const each of [entry("a"), entry("b", -1), entry("c", 2), entry("d"), entry("e", 2)]) items.add(each);
  assert.equal(names(items), "c e a d b");
  assert.equal(items.size, 5);
});

test("what is taken out from anywhere is gone, once", () => {
  const items = new WaitingItems<{ name: string; priority: number }>();
  const [a, b, c] = [entry("a"), entry("b", 1), entry("c")];
  for (const each of [a, b, c]) items.add(each);
  assert.equal(items.delete(b), true);
  assert.equal(items.delete(b), false);
  assert.equal(items.delete(a), true);
  assert.equal(names(items), "c");
  assert.equal(items.size, 1);
});

test("what is taken out while all are looked at makes none of them be passed over", () => {
  const items = new WaitingItems<{ name: string; priority: number }>();
  for (const each of [entry("a", 3), entry("b", 2), entry("c", 1)]) items.add(each);
  const seen: string[] = [];
  for (const each of items) {
    seen.push(each.name);
    items.delete(each);
  }
  assert.deepEqual(seen, ["a", "b", "c"]);
});
