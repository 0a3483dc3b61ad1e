import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamNumbers, StreamSlots } from "../../../../proto/frame/stream-slots.ts";

test("a stream is found by its number while it is open, and by no number it had before", () => {
  const [numbers, slots] = [new StreamNumbers(), new StreamSlots<string>()];
  const first = numbers.take() ?? 0;
  assert.ok(slots.open(first, "first"));
  assert.equal(slots.open(first, "again"), false);
  assert.ok(slots.close(first));
  numbers.giveBack(first);
  const second = numbers.take() ?? 0;
  assert.ok(slots.open(second, "second"));
  assert.notEqual(first, second);
  assert.deepEqual([slots.get(first), slots.get(second), slots.close(first)], [undefined, "second", false]);
  assert.deepEqual(slots.all(), [{ number: second, entry: "second" }]);
});

test("numbers are never 0, fit 32 bits, and are not used twice until their place has been used 65,535 times", () => {
  const numbers = new StreamNumbers();
  const seen = new Set<number>();
  for (let used = 0; used < 65_535; used++) {
    const number = numbers.take() ?? 0;
    assert.ok(number > 0 && number <= 0xffff_ffff && !seen.has(number));
    seen.add(number);
    numbers.giveBack(number);
  }
  assert.ok(seen.has(numbers.take() ?? 0));
});

test("at most 65,536 streams are open at a time", () => {
  const numbers = new StreamNumbers();
  for (let open = 0; open < 65_536; open++) numbers.take();
  assert.equal(numbers.take(), undefined);
  numbers.giveBack(65_536);
  assert.equal(numbers.take(), 2 * 65_536);
});
