import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_CONSOLE_BYTES_PER_SECOND } from "../../../../core/limits.ts";
import { ConsoleCapture, type PrintingProcess } from "../../../../worker/replica/console.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

function bed() {
  const clock = new ManualClock();
  const lines: string[] = [];
  let dropped = 0;
  const capture = new ConsoleCapture({
    clock,
    dropped: { add: (amount) => void (dropped += amount) },
    emit: (level, text) => lines.push(`${level} ${text}`),
  });
  const nothing = (): void => {};
  const target = {
    console: { debug: nothing, log: nothing, info: nothing, warn: nothing, error: nothing, trace: nothing },
    stdout: { write: () => true },
    stderr: { write: () => true },
  } as unknown as PrintingProcess;
  const undo = capture.install(target);
  return { clock, lines, capture, target, undo, dropped: () => dropped };
}

test("console methods become lines with their severity, formatted as Node does", () => {
  const { lines, target } = bed();
  target.console.log("%d of %s", 1, "two", { three: 3 });
  target.console.warn("careful");
  target.console.error(new RangeError("gone").message);
  target.console.debug("a\nb");
  assert.deepEqual(lines, ["info 1 of two { three: 3 }", "warn careful", "error gone", "debug a\nb"]);
});

test("writes become lines once they are whole, the last one when the process ends", () => {
  const { lines, target, capture } = bed();
  target.stdout.write("a");
  target.stdout.write("b\nc\nd");
  target.stderr.write(Buffer.from("e\n"));
  assert.deepEqual(lines, ["info ab", "info c", "error e"]);
  capture.flush();
  assert.equal(lines.at(-1), "info d");
});

test("a write's callback is called, and text without an end does not gather", () => {
  const { lines, target } = bed();
  target.stdout.write("x".repeat(70_000));
  assert.equal(lines.length, 1);
  return new Promise<void>((resolve) => target.stdout.write("y\n", () => resolve()));
});

test("what is over the limit per second is dropped, counted, and said once", () => {
  const { clock, lines, target, dropped } = bed();
  const line = "x".repeat(1_023);
  const fit = MOST_CONSOLE_BYTES_PER_SECOND / 1_024;
  for (let at = 0; at < fit + 100; at++) target.console.log(line);
  assert.equal(lines.length, fit);
  assert.equal(dropped(), 100 * 1_024);
  clock.advance(1_000);
  assert.match(lines.at(-1) ?? "", /^warn 102400 bytes of output were dropped/);
  target.console.log("open again");
  assert.equal(lines.at(-1), "info open again");
  clock.advance(5_000);
  assert.equal(lines.length, fit + 2);
});

test("undoing gives back what was there", () => {
  const { lines, target, undo } = bed();
  undo();
  target.console.log("elsewhere");
  assert.deepEqual(lines, []);
});
