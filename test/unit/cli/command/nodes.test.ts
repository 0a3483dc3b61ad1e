import assert from "node:assert/strict";
import { test } from "node:test";
import { formatNodeList } from "../../../../cli/command/nodes.ts";
import { formatDemand } from "../../../../cli/command/status.ts";
import type { DemandView, NodeStatusView } from "../../../../core/status.ts";

const NONE: DemandView = { resources: {}, pending: [] };
const node: NodeStatusView = {
  id: "node-a",
  state: "draining",
  resources: { total: { cpus: 4, memoryBytes: 8e9, gpus: 1 }, allocated: { cpus: 0.3, memoryBytes: 0, gpus: 0.5 } },
  labels: { zone: "a", disk: "fast" },
  httpUrl: "http://10.0.0.1:8000",
  replicas: 1,
  reason: "drains: 1 replica left",
};

test("a node's line has its state, its replicas, what is used of what it has, its labels and its reason", () => {
  assert.equal(
    formatNodeList([node], NONE),
    "node-a  draining  1 replica  cpus 0.3/4, memory 0.0/8.0 GB, gpus 0.5/1  http://10.0.0.1:8000  zone=a,disk=fast  drains: 1 replica left",
  );
  assert.equal(formatNodeList([], NONE), "no nodes");
});

test("what fits on no node is one line: how much of what, since when, and the first reason", () => {
  const one = {
    deployment: "app/D",
    count: 2,
    resources: { cpus: 1, memoryBytes: 2e9 },
    since: "2026-01-02T03:04:05.000Z",
  };
  const demand = { resources: { cpus: 2, memoryBytes: 4e9 }, pending: [{ ...one, reason: "no node fits: full" }] };
  assert.equal(
    formatDemand(demand),
    "2 replicas fit on no node (cpus 2, memory 4.0 GB), app/D since 2026-01-02T03:04:05.000Z: no node fits: full",
  );
  assert.equal(formatDemand(NONE), "");
});
