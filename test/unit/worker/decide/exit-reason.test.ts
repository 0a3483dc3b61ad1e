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
