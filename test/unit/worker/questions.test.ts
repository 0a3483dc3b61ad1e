import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaId, Version } from "../../../core/ids.ts";
import type { Question } from "../../../core/question.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { WorkerBed } from "../../fake/worker-bed.ts";

const VERIFY: Question = {
  kind: "verify",
  oldVersion: "",
  newVersion: "new" as Version,
  timeoutMs: 10_000,
};
const GONE = { kind: "failed", reason: "the replica is gone", isGone: true };

function ask(bed: WorkerBed, id: string, replica = "r1"): void {
  bed.controller.send({ kind: "ask", id, replica: replica as ReplicaId, question: VERIFY });
}

test("a question reaches the replica's process, and its answer the controller", async () => {
  const bed = await WorkerBed.start();
  bed.controller.assign([assignedReplica("r1"), assignedReplica("r2")]);
  await bed.clock.advanceAsync(10);
  const [child, other] = [bed.child("r1"), bed.child("r2")];
  for (const one of [child, other]) one.dial(bed.worker);
  ask(bed, "1-1");
  assert.deepEqual(child.last("ask"), { kind: "ask", id: "1-1", question: VERIFY });
  assert.equal(other.last("ask"), undefined);
  other.say({ kind: "answered", id: "1-1", answer: { kind: "failed", reason: "nobody asked" } });
  child.say({ kind: "answered", id: "1-1", answer: { kind: "verify", scores: { a: 1 } } });
  child.say({ kind: "answered", id: "1-1", answer: { kind: "failed", reason: "again" } });
  const answer = { kind: "verify", scores: { a: 1 } };
  assert.deepEqual(bed.controller.all("answered"), [{ kind: "answered", id: "1-1", answer }]);
});

test("a question is answered for a replica that is not there, or ends before it answered", async () => {
  const bed = await WorkerBed.start();
  const child = await bed.replica("r1");
  ask(bed, "1-1", "r9");
  ask(bed, "1-2");
  assert.deepEqual(bed.controller.all("answered"), [{ kind: "answered", id: "1-1", answer: GONE }]);
  child.exit({ kind: "killed", signal: "SIGKILL" });
  assert.deepEqual(bed.controller.all("answered").at(-1), { kind: "answered", id: "1-2", answer: GONE });
});

test("a replica whose event loop is blocked is answered for a second after its time", async () => {
  const bed = await WorkerBed.start();
  await bed.replica("r1");
  ask(bed, "1-1");
  await bed.clock.advanceAsync(10_900);
  assert.equal(bed.controller.all("answered").length, 0);
  await bed.clock.advanceAsync(100);
  const [{ answer } = assert.fail()] = bed.controller.all("answered");
  assert.match(answer.kind === "failed" ? answer.reason : "", /not answered within 10000 ms/);
});
