import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdminClient } from "../../../../cli/admin-client.ts";
import { formatNodeList, waitUntilEmpty } from "../../../../cli/command/nodes.ts";
import { formatDemand } from "../../../../cli/command/status.ts";
import { CliError, EXIT } from "../../../../cli/exit-code.ts";
import type { DemandView, NodeStatusView } from "../../../../core/status.ts";
import { eagerClock } from "../../../fake/eager-clock.ts";

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

const AWAY = new CliError(EXIT.unavailable, "nothing answers");

/** Waits for a node of which a controller says this, one after another; undefined: it knows no such node. */
async function waitedFor(views: readonly (NodeStatusView | undefined | CliError)[]): Promise<number> {
  let asked = 0;
  const client = {
    async status() {
      const view = views[Math.min(asked++, views.length - 1)];
      if (view instanceof CliError) throw view;
      return { nodes: view === undefined ? [] : [view] };
    },
    demand: async () => NONE,
  } as unknown as AdminClient;
  const deps = { client, clock: eagerClock(), progress: () => {}, awayPatienceMs: 1_000 };
  await waitUntilEmpty(deps, { node: node.id, deadlineMs: 5_000 });
  return asked;
}

test("a drain is waited for while the controller starts again, until the node's worker has come back to it", async () => {
  const empty = { ...node, replicas: 0 };
  assert.equal(await waitedFor([node, AWAY, AWAY, undefined, undefined, node, empty]), 7);
});

test("a node that does not come back is not waited for, and a controller that does not is told", async () => {
  assert.ok((await waitedFor([node, undefined])) < 20);
  await assert.rejects(waitedFor([node, AWAY]), AWAY);
  await assert.rejects(waitedFor([node, { ...node, state: "live" }]), /is used again/);
  await assert.rejects(waitedFor([node]), /is not empty after its deadline/);
});
