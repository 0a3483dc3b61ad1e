import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControllerMessage } from "../../../../core/assignment.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import { MOST_OPEN_QUESTIONS } from "../../../../core/limits.ts";
import type { Answer, Question } from "../../../../core/question.ts";
import { Asks } from "../../../../controller/act/asks.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";

const [R1, N1, N2] = ["r1" as ReplicaId, "n1" as NodeId, "n2" as NodeId];
const VERIFY: Question = {
  kind: "verify",
  oldVersion: "old" as Version,
  newVersion: "new" as Version,
  timeoutMs: 10_000,
};
const SCORES: Answer = { kind: "verify", scores: { accuracy: 1 } };

function bed(): { clock: ManualClock; asks: Asks; sent: Extract<ControllerMessage, { kind: "ask" }>[] } {
  const clock = new ManualClock();
  const sent: Extract<ControllerMessage, { kind: "ask" }>[] = [];
  const streams = {
    send(node: NodeId, message: ControllerMessage): boolean {
      if (message.kind === "ask") sent.push(message);
      return node === N1;
    },
  };
  return { clock, asks: new Asks({ clock, streams, epoch: 7 }), sent };
}

test("a question goes to the replica's node, and the node's answer settles it", async () => {
  const { clock, asks, sent } = bed();
  const answer = asks.ask(R1, N1, VERIFY);
  assert.deepEqual(sent, [{ kind: "ask", id: "7-1", replica: R1, question: VERIFY }]);
  asks.answered(N2, "7-1", { kind: "failed", reason: "another node" });
  asks.answered(N1, "6-1", { kind: "failed", reason: "asked by the controller before" });
  asks.answered(N1, "7-1", SCORES);
  asks.answered(N1, "7-1", { kind: "failed", reason: "too late" });
  assert.deepEqual(await answer, SCORES);
  assert.equal(clock.pendingCount, 0);
});

test("a node that is silent, not connected, or lost, is answered for, and another may be asked", async () => {
  const { clock, asks } = bed();
  const silent = asks.ask(R1, N1, VERIFY);
  clock.advance(11_999);
  const lost = asks.ask(R1, N1, VERIFY);
  clock.advance(1);
  asks.disconnected(N2);
  asks.disconnected(N1);
  const unconnected = await asks.ask(R1, N2, VERIFY);
  for (const answer of [await silent, await lost, unconnected]) {
    assert.equal(answer.kind === "failed" && answer.isGone, true);
  }
  assert.equal(clock.pendingCount, 0);
});

test("only so many questions are open at a time, and one too many says nothing of what it asks for", async () => {
  const { asks, sent } = bed();
  for (let i = 0; i < MOST_OPEN_QUESTIONS; i++) void asks.ask(R1, N1, VERIFY);
  const reason = "1000 questions are open already";
  assert.deepEqual(await asks.ask(R1, N1, VERIFY), { kind: "failed", reason, isGone: true });
  assert.equal(sent.length, MOST_OPEN_QUESTIONS);
});
