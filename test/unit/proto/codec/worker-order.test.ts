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
import { controllerMessageFromWire, controllerMessageToWire } from "../../../../proto/codec/worker-order.ts";
import { loadControl } from "../../../../proto/load.ts";

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

  it("refuse a wish that does not exist, and a replica without a launch", () => {
    const wish = responseSerialize({ assign: { replicas: [{ id: "x", desired: "fly" }] } });
    assert.throws(() => controllerMessageFromWire(responseDeserialize(wish)), /unknown wish "fly"/);
    const bare = responseSerialize({ assign: { replicas: [{ id: "x", desired: "run" }] } });
    assert.throws(() => controllerMessageFromWire(responseDeserialize(bare)), /without a launch/);
  });
});
