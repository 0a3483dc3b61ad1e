import assert from "node:assert/strict";
import { test } from "node:test";
import { exitReason } from "../../../../worker/decide/exit-reason.ts";

test("an exit is told by its code or its signal, and what usually is lack of memory is called that", () => {
  assert.deepEqual(exitReason({ kind: "exited", code: 1 }), { text: "exited with code 1", label: "exited" });
  assert.deepEqual(exitReason({ kind: "killed", signal: "SIGKILL" }), { text: "killed by SIGKILL", label: "killed" });
  assert.equal(exitReason({ kind: "exited", code: 137 }).label, "outOfMemory");
  assert.equal(exitReason({ kind: "exited", code: 134 }).label, "outOfMemory");
  assert.equal(exitReason({ kind: "killed", signal: "SIGABRT" }).label, "outOfMemory");
  assert.deepEqual(exitReason({ kind: "lost", cause: "why" }), { text: "why", label: "lost" });
});

test("a kill is thought to be for want of memory where the kernel has ended processes for that", () => {
  const textOf = (signal: string, outOfMemoryKills: number): string =>
    exitReason({ kind: "killed", signal, outOfMemoryKills }).text;
  assert.match(textOf("SIGKILL", 1), /^killed by SIGKILL, perhaps for its memory: the kernel has ended a process /);
  assert.match(textOf("SIGKILL", 2), /ended 2 processes/);
  assert.equal(textOf("SIGKILL", 0), "killed by SIGKILL");
  assert.equal(textOf("SIGTERM", 1), "killed by SIGTERM");
});
