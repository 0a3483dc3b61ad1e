import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ControllerMessage } from "../../../../core/assignment.ts";
import type {
  ApplicationName,
  DeploymentId,
  DeploymentName,
  Digest,
  ReplicaId,
  Version,
} from "../../../../core/ids.ts";
import type { Question } from "../../../../core/question.ts";
import { controllerMessageFromWire, controllerMessageToWire } from "../../../../proto/codec/worker-order.ts";
import { loadControl } from "../../../../proto/load.ts";
import { rolloutSpec } from "../../../fake/rollout-fixture.ts";

const { responseSerialize, responseDeserialize } = loadControl().service.Connect;

function overTheWire(message: ControllerMessage): ControllerMessage | undefined {
  return controllerMessageFromWire(responseDeserialize(responseSerialize(controllerMessageToWire(message))));
}

const ASSIGN: ControllerMessage = {
  kind: "assign",
  assignment: {
    epoch: 3,
    generation: 12,
    replicas: [
      {
        id: "digits-classifier-ab12c" as ReplicaId,
        deployment: "digits/Classifier" as DeploymentId,
        version: "0123456789ab" as Version,
        desired: "drain",
        launch: {
          application: "digits" as ApplicationName,
          deployment: "Classifier" as DeploymentName,
          bundle: "ff".repeat(32) as Digest,
          nativePackages: [{ name: "sharp", version: "1.2.3" }],
          options: {
            numReplicas: 2,
            autoscaling: undefined,
            rollout: rolloutSpec(),
            resources: { cpus: 0.1, gpus: 0.5, memoryBytes: 0, custom: {} },
            placement: { labels: {}, maxReplicasPerNode: 0 },
            env: { KEY: { secret: "KEY" } },
            maxOngoingRequests: undefined,
            maxQueuedRequests: 1_000,
            requestTimeoutMs: 60_000,
            maxRequestBodyBytes: 1,
            idempotent: false,
            userConfig: { deep: [1, null] },
            startTimeoutMs: 1,
            healthCheckPeriodMs: 1,
            healthCheckTimeoutMs: 1,
            gracefulShutdownTimeoutMs: 1,
            routing: "leastOngoing",
          },
          secrets: { KEY: "value" },
          gpus: ["GPU-1"],
        },
      },
    ],
  },
};

describe("controller messages over the wire", () => {
  it("keep an assignment whole, options that are undefined included", () => {
    assert.deepStrictEqual(overTheWire(ASSIGN), ASSIGN);
  });

  it("keep requests to collect, and the shutdown", () => {
    const messages: ControllerMessage[] = [
      { kind: "collect", id: 1, what: { kind: "metrics" } },
      { kind: "collect", id: 2, what: { kind: "logs", deployment: "digits/Classifier", lines: 100 } },
      { kind: "shutdown" },
    ];
    for (const message of messages) assert.deepStrictEqual(overTheWire(message), message);
  });

  it("keep questions, and leave out what only newer controllers ask", () => {
    const input = { target: 1, ready: 1, ongoing: 2.5, queued: 0, arrivedPerSecond: 3, utilisation: 0.5 };
    const questions: Question[] = [
      { kind: "policy", input: { ...input, minReplicas: 1, maxReplicas: 4, metric: 0.1 } },
      { kind: "verify", oldVersion: "", newVersion: "0123456789ab" as Version, timeoutMs: 600_000 },
    ];
    for (const question of questions) {
      const message: ControllerMessage = { kind: "ask", id: "7-1", replica: "r1" as ReplicaId, question };
      assert.deepStrictEqual(overTheWire(message), message);
    }
    const newer = {
      kind: "ask",
      id: "7-1",
      replica: "r1",
      question: { kind: "guess" },
    } as unknown as ControllerMessage;
    assert.equal(overTheWire(newer), undefined);
  });

  it("refuse a wish that does not exist, and a replica without a launch", () => {
    const wish = responseSerialize({ assign: { replicas: [{ id: "x", desired: "fly" }] } });
    assert.throws(() => controllerMessageFromWire(responseDeserialize(wish)), /unknown wish "fly"/);
    const bare = responseSerialize({ assign: { replicas: [{ id: "x", desired: "run" }] } });
    assert.throws(() => controllerMessageFromWire(responseDeserialize(bare)), /without a launch/);
  });
});
