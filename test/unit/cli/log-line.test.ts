import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ConsoleTail } from "../../../cli/console-tail.ts";
import { formatLogLine, isForTerminal, newLines, parseLogLine } from "../../../cli/log-line.ts";
import { type Clock, systemClock } from "../../../core/clock.ts";

let folder = "";
let tails: ConsoleTail[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "thornback-logs-"));
});

afterEach(() => {
  for (const tail of tails) tail.close();
  tails = [];
  rmSync(folder, { recursive: true, force: true });
});

/** A clock that never calls back, so that only `close` looks. */
const STILL: Clock = { ...systemClock, after: () => ({ cancel() {} }) };

function follow(): { said: unknown[]; end(): void } {
  const said: unknown[] = [];
  const tail = new ConsoleTail({ clock: STILL, folder, onLine: (line) => void said.push(line["msg"]) });
  tails.push(tail);
  tail.start();
  return { said, end: () => tail.close() };
}

function line(text: string): string {
  return `${JSON.stringify({ level: 30, replica: "app-1", source: "console", msg: text })}\n`;
}

test("lines are labelled by replica, with level and request where there is something to say", () => {
  assert.equal(formatLogLine({ level: 30, replica: "app-1", msg: "hello" }), "[app-1] hello");
  assert.equal(
    formatLogLine({ level: 50, replica: "app-1", msg: "no", requestId: "r7" }),
    "[app-1] error: no (request r7)",
  );
  assert.equal(
    formatLogLine({ level: 40, process: "replica-3", msg: "x", err: { stack: "Error: y\n at z" } }),
    "[replica-3] warn: x Error: y\n at z",
  );
  assert.equal(
    formatLogLine({
      level: 50,
      replica: "app-1",
      msg: "it failed",
      requestId: "r7",
      err: { stack: "Error: y\n at z" },
    }),
    "[app-1] error: it failed Error: y (request r7)\n at z",
    "who looks for a request's lines finds the message",
  );
  assert.equal(formatLogLine(parseLogLine("replica-3", "FATAL: out of memory")), "[replica-3] FATAL: out of memory");
});

test("a terminal shows what user code prints and what goes wrong, not the runtime's routine", () => {
  assert.equal(isForTerminal({ level: 20, source: "console" }), true);
  assert.equal(isForTerminal({ level: 30 }), false);
  assert.equal(isForTerminal({ level: 40 }), true);
  assert.equal(isForTerminal(parseLogLine("replica-3", "Segmentation fault")), true);
});

test("following a log by its newest lines prints each line once", () => {
  assert.deepEqual(newLines([], ["a", "b"]), ["a", "b"]);
  assert.deepEqual(newLines(["a", "b"], ["a", "b", "c"]), ["c"]);
  assert.deepEqual(newLines(["a", "b", "c"], ["b", "c", "d"]), ["d"]);
  assert.deepEqual(newLines(["a", "b"], ["a", "b"]), []);
  assert.deepEqual(newLines(["a"], ["x", "y"]), ["x", "y"]);
});

test("following begins at the end of files that are there and at the beginning of new ones", () => {
  writeFileSync(path.join(folder, "replica-a.log"), line("old"));
  writeFileSync(path.join(folder, "worker.log"), line("not a replica"));
  const { said, end } = follow();
  appendFileSync(path.join(folder, "replica-a.log"), line("new"));
  writeFileSync(path.join(folder, "replica-b.log"), line("first"));
  appendFileSync(path.join(folder, "worker.log"), line("not a replica"));
  end();
  assert.deepEqual(said, ["new", "first"]);
});

test("a file that was cut by rotation is read from its beginning", () => {
  const file = path.join(folder, "replica-a.log");
  writeFileSync(file, line("a long line that is there before anybody looks"));
  const { said, end } = follow();
  truncateSync(file);
  appendFileSync(file, line("after"));
  end();
  assert.deepEqual(said, ["after"]);
});

test("a folder that somebody deletes ends nothing: it goes on once there are files again", () => {
  writeFileSync(path.join(folder, "replica-a.log"), line("old"));
  const { said, end } = follow();
  rmSync(folder, { recursive: true });
  end();
  assert.deepEqual(said, []);
});
