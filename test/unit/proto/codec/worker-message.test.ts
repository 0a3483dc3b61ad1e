import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ReplicaReport, WorkerMessage } from "../../../../core/assignment.ts";
import type { DeploymentId, NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import type { Answer } from "../../../../core/question.ts";
import { workerMessageFromWire, workerMessageToWire } from "../../../../proto/codec/worker-message.ts";
import { loadControl } from "../../../../proto/load.ts";

const { requestSerialize, requestDeserialize } = loadControl().service.Connect;

function overTheWire(message: WorkerMessage): WorkerMessage | undefined {
  return workerMessageFromWire(requestDeserialize(requestSerialize(workerMessageToWire(message))));
}

const REPORT: ReplicaReport = {
  id: "digits-classifier-ab12c" as ReplicaId,
  deployment: "digits/Classifier" as DeploymentId,
  version: "0123456789ab" as Version,
  state: "ready",
  reason: "",
  pid: 4_194_304,
  address: { host: "127.0.0.1", port: 40_001 },
  callSecret: "secret",
  maxOngoingRequests: 128,
  ongoing: 3,
  provider: "cpu",
  batches: [{ method: "classify", maxBatchSize: 8, waiting: 3, expectedRuns: [{ items: 4, runMs: 7.5 }] }],
  utilisation: 0.35,
  health: "busy",
  isRetiring: true,
  restarts: 2,
  restartDelayMs: 150,
  failedStarts: 0,
  gpus: ["GPU-1"],
};

describe("worker messages over the wire", () => {
  it("keep every field of a registration", () => {
    const message: WorkerMessage = {
      kind: "register",
      registration: {
        node: "node-1" as NodeId,
        incarnation: 7,
        resources: { cpus: 3.5, memoryBytes: 2 ** 40, gpus: ["gpu-0", "gpu-1"], custom: { licence: 0.5 } },
        labels: { zone: "a" },
        replicas: [REPORT],
        epoch: 4,
      },
    };
    assert.deepStrictEqual(overTheWire(message), message);
  });

  it("keep answers, and leave out what only newer workers answer", () => {
    const answers: Answer[] = [
      { kind: "policy", target: 2.5 },
      { kind: "verify", scores: { accuracy: 0.9 } },
      { kind: "failed", reason: "the replica is gone", isGone: true },
    ];
    for (const answer of answers) {
      const message: WorkerMessage = { kind: "answered", id: "7-1", answer };
      assert.deepStrictEqual(overTheWire(message), message);
    }
    const newer = { kind: "answered", id: "7-1", answer: { kind: "guess" } } as unknown as WorkerMessage;
    assert.equal(overTheWire(newer), undefined);
  });

  it("keep heartbeats, reports, gone replicas and collected text", () => {
    const messages: WorkerMessage[] = [
      { kind: "heartbeat", report: { httpUrl: "http://127.0.0.1:8000", reason: "", tableEpoch: 2, tableVersion: 9 } },
      { kind: "replicas", reports: [{ ...REPORT, state: "failed", reason: "app.ts:3: no", gpus: [] }] },
      { kind: "gone", replicas: [REPORT.id] },
      { kind: "collected", id: 3, text: "a\nb" },
    ];
    for (const message of messages) assert.deepStrictEqual(overTheWire(message), message);
  });

  it("tell a replica that does not listen yet from one that does", () => {
    const message: WorkerMessage = {
      kind: "replicas",
      reports: [{ ...REPORT, state: "starting", address: undefined }],
    };
    assert.deepStrictEqual(overTheWire(message), message);
  });

  it("refuse a state that does not exist", () => {
    const wire = requestDeserialize(requestSerialize({ replicas: { reports: [{ id: "x", state: "asleep" }] } }));
    assert.throws(() => workerMessageFromWire(wire), /unknown state "asleep"/);
  });

  it("pass over a kind that only newer workers know", () => {
    assert.equal(workerMessageFromWire(requestDeserialize(requestSerialize({}))), undefined);
  });
});
