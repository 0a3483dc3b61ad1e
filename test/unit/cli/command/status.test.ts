import assert from "node:assert/strict";
import { test } from "node:test";
import { formatStatus } from "../../../../cli/command/status.ts";
import { Printer } from "../../../../cli/print.ts";
import type { ClusterStatus } from "../../../../core/status.ts";

const print = new Printer({ write() {} }, { write() {} }, {});

function clusterStatus(problems: readonly string[]): ClusterStatus {
  return {
    applications: [],
    nodes: [],
    controller: { self: "c", epoch: 1, leader: "c" },
    store: { problems },
  };
}

test("what is wrong with the store comes first, and nothing is said of a store that is well", () => {
  const damaged = "StoreCorrupt: a record of store/log at byte 7 is damaged; it is kept in store/quarantine";
  assert.match(formatStatus(clusterStatus([damaged]), print), /^store\n {2}StoreCorrupt: a record .* at byte 7/);
  assert.doesNotMatch(formatStatus(clusterStatus([]), print), /store/);
});

test("a rollout says where it stands, what it was given by verify, and how the requests of both versions ended", () => {
  const rollout = {
    ...{ stage: "step", from: "old1", to: "new2", percent: 5, isPaused: true, scores: { accuracy: 0.97 } },
    outcomes: [
      { version: "new2", answered: 12, failed: 1 },
      { version: "old1", answered: 240, failed: 0 },
    ],
  };
  const deployment = {
    ...{ name: "Digits", status: "updating" as const, targetReplicas: 2, reason: "", replicas: [], rollout },
    usage: { replicaSeconds: 0, gpuSeconds: 0, idleSeconds: 0 },
  };
  const application = { name: "digits", routePrefix: "/", status: "deploying" as const, version: "v", reason: "" };
  const cluster = { ...clusterStatus([]), applications: [{ ...application, deployments: [deployment] }] };
  const line = formatStatus(cluster, print).split("\n")[2];
  assert.equal(
    line?.trim(),
    "rollout of new2 over old1: step, 5 % of the requests, paused; new2 answered 12, failed 1; " +
      "old1 answered 240, failed 0; scores: accuracy 0.97",
  );
});
