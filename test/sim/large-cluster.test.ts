import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NODE_LOST_AFTER_MS } from "../../core/limits.ts";
import type { TableUpdate } from "../../core/table.ts";
import { type ClusterSize, LargeCluster, largeApplications } from "../fake/large-cluster.ts";

const SIZE: ClusterSize = { nodes: 100, replicas: 1_000, deployments: 100 };

/** A cluster in which everything serves, and the table updates that every node got from then on. */
async function serving(): Promise<{ readonly cluster: LargeCluster; readonly updates: Set<TableUpdate> }> {
  const updates = new Set<TableUpdate>();
  const cluster = await LargeCluster.start(SIZE, { onUpdate: (_node, update) => void updates.add(update) });
  await cluster.deploy(largeApplications(SIZE));
  await cluster.pass(3_000);
  updates.clear();
  return { cluster, updates };
}

const textLength = (updates: Iterable<TableUpdate>): number =>
  [...updates].reduce((sum, { upserts, removals }) => sum + JSON.stringify([upserts, removals]).length, 0);

describe("a cluster of 100 nodes and 1,000 replicas", () => {
  it("serves everything again within a second of seeing that a tenth of its nodes is lost", async () => {
    const { cluster, updates } = await serving();
    cluster.lose(10);
    const tookMs = await cluster.converge();
    assert.ok(tookMs <= NODE_LOST_AFTER_MS + 1_000, `it took ${tookMs} virtual ms`);
    assert.equal(cluster.problem(), "");
    // What was on the lost nodes goes, what replaces it comes, and nothing else is told.
    assert.ok([...updates].every(({ kind }) => kind === "delta"));
    const changes = [...updates].flatMap(({ upserts, removals }) => [...upserts, ...removals]);
    assert.equal(changes.length, 200);
  });

  it("tells routers of a change by what changed, not by the whole table", async () => {
    const { cluster, updates } = await serving();
    let whole = 0;
    cluster.controller.service.watchTable(undefined, (update) => (whole = textLength([update])))();
    const [worker] = cluster.workers;
    const [id] = worker?.replicas.keys() ?? [];
    assert.ok(worker !== undefined && id !== undefined);
    worker.report(id, { callSecret: "another process" });
    await cluster.pass(1_000);
    assert.deepEqual(
      [...updates].map(({ kind, upserts, removals }) => [kind, upserts.length, removals.length]),
      [["delta", 1, 0]],
    );
    assert.ok(textLength(updates) * 500 < whole, `${textLength(updates)} of ${whole} characters`);
  });

  it("sends no table and no assignment while nothing changes", async () => {
    const { cluster, updates } = await serving();
    const before = cluster.controller.snapshot();
    await cluster.pass(3_000);
    assert.equal(updates.size, 0);
    assert.equal(cluster.controller.snapshot().replicas, before.replicas);
  });
});
