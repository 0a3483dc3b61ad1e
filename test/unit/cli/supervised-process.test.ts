import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProcessExit, SupervisedProcess } from "../../../cli/supervised-process.ts";
import { seededRandom } from "../../../core/random.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

test("a process that cannot be spawned again, on a full disk say, is tried again until it can", async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  let end: (exit: ProcessExit) => void = () => undefined;
  let isFull = false;
  let pid = 0;
  const supervised = new SupervisedProcess({
    clock,
    random: seededRandom(1),
    spawn: () => {
      if (isFull) throw new Error("ENOSPC: no space left on device");
      const exited = new Promise<ProcessExit>((resolve) => (end = resolve));
      return { pid: ++pid, exited, kill: () => end({ code: 0, signal: null }) };
    },
    onStart: (started) => told.push(`start ${String(started)}`),
    onRestart: () => told.push("restart"),
    onSpawnFailed: (thrown) => told.push(String(thrown).slice(0, 13)),
    onGiveUp: () => assert.fail("it was given up"),
  });
  supervised.start();
  isFull = true;
  end({ code: null, signal: "SIGKILL" });
  await settle();
  while (told.length < 4) clock.advance(10);
  isFull = false;
  clock.advance(5_000);
  assert.deepEqual(told, ["start 1", "restart", "Error: ENOSPC", "Error: ENOSPC", "start 2"]);
  assert.equal(supervised.pid, 2);
  await supervised.stop("SIGTERM");
});
