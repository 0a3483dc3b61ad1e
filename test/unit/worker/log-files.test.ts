import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { LOG_FILES_KEPT, LOG_POLL_MS, MOST_LOG_FILE_BYTES, MOST_LOG_TAIL_BYTES } from "../../../core/limits.ts";
import { createNodeLogs } from "../../../worker/log-files.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

const root = mkdtempSync(join(tmpdir(), "thornback-logs-"));
after(() => rmSync(root, { recursive: true }));
let count = 0;

function bed() {
  const dataDir = join(root, String(count++));
  const folder = join(dataDir, "logs");
  mkdirSync(folder, { recursive: true });
  const clock = new ManualClock();
  return { folder, clock, logs: createNodeLogs({ clock, log: new RecordingLog(), dataDir }) };
}

function line(deployment: string, msg: string): string {
  return `${JSON.stringify({ application: "app", deployment, msg })}\n`;
}

test("the last lines of each replica of a deployment are given, and only JSON", async () => {
  const { folder, logs } = bed();
  writeFileSync(join(folder, "replica-a.log"), `${line("One", "1")}${line("One", "2")}not json\n${line("One", "3")}`);
  writeFileSync(join(folder, "replica-b.log"), line("Two", "4"));
  writeFileSync(join(folder, "worker.log"), line("One", "no"));
  const messages = async (deployment: string, lines: number) => {
    const text = await logs.tail(deployment, lines);
    return text === "" ? [] : text.split("\n").map((each) => (JSON.parse(each) as { msg: string }).msg);
  };
  assert.deepEqual(await messages("app/One", 2), ["2", "3"]);
  assert.deepEqual(await messages("", 10), ["1", "2", "3", "4"]);
  assert.deepEqual(await messages("app/None", 10), []);
});

test("only the end of a long file is read, and a line that is cut there is left out", async () => {
  const { folder, logs } = bed();
  const path = join(folder, "replica-a.log");
  const one = line("One", "x".repeat(100));
  const lines = Math.ceil(MOST_LOG_TAIL_BYTES / one.length) + 100;
  writeFileSync(path, one.repeat(lines));
  assert.equal(
    (await logs.tail("app/One", 1_000_000)).split("\n").length,
    Math.floor(MOST_LOG_TAIL_BYTES / one.length),
  );
});

test("the replicas of a node share one bound, because their lines travel together", async () => {
  const { folder, logs } = bed();
  const one = line("One", "x".repeat(100));
  for (const name of ["a", "b", "c"]) {
    writeFileSync(join(folder, `replica-${name}.log`), one.repeat(Math.ceil(MOST_LOG_TAIL_BYTES / one.length)));
  }
  assert.ok((await logs.tail("", 1_000_000)).length <= MOST_LOG_TAIL_BYTES);
});

test("a logs folder that somebody cleared away is no failure", async () => {
  const { folder, clock, logs } = bed();
  rmSync(folder, { recursive: true });
  clock.advance(LOG_POLL_MS);
  assert.equal(await logs.tail("", 10), "");
});

test("a file that is over its limit is copied aside and cut, whoever writes to it", () => {
  const { folder, clock } = bed();
  const path = join(folder, "controller.log");
  writeFileSync(path, "x".repeat(MOST_LOG_FILE_BYTES));
  clock.advance(LOG_POLL_MS);
  assert.equal(existsSync(`${path}.1`), false, "at the limit is not over it");
  appendFileSync(path, "y");
  clock.advance(LOG_POLL_MS);
  assert.equal(statSync(path).size, 0);
  assert.equal(statSync(`${path}.1`).size, MOST_LOG_FILE_BYTES + 1);
  appendFileSync(path, "z");
  assert.equal(readFileSync(path, "utf8"), "z");
});

test("files of processes that are gone are kept up to a number, those of living ones always", () => {
  const { folder, logs } = bed();
  for (let index = 0; index < LOG_FILES_KEPT + 5; index++) {
    const path = join(folder, `replica-${index}.log`);
    writeFileSync(path, "x");
    writeFileSync(`${path}.1`, "x");
    utimesSync(path, 1_000 + index, 1_000 + index);
  }
  writeFileSync(join(folder, "worker.log"), "x");
  utimesSync(join(folder, "worker.log"), 1, 1);
  logs.prune(new Set(["replica-0"]));
  const left = new Set(readdirSync(folder));
  assert.ok(left.has("replica-0.log") && left.has("worker.log"));
  assert.ok(!left.has("replica-4.log") && !left.has("replica-4.log.1"));
  assert.ok(left.has("replica-5.log"));
});
