import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TablePublisher } from "../../../../controller/act/table-publisher.ts";
import { readDeploymentOptions } from "../../../../core/deployment-options.ts";
import type { DeploymentName } from "../../../../core/ids.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { ProblemList } from "../../../../core/problem-list.ts";
import { TABLE_CHANGES_KEPT } from "../../../../core/limits.ts";
import type { TableUpdate } from "../../../../core/table.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";

const publisher = (): TablePublisher => new TablePublisher({ metrics: createMetrics(), epoch: 4 });
const application = applicationRecord([applicationSpec("app", { D: {} })], { stable: 1 });
const withReplicas = (...ids: string[]) =>
  clusterState({
    applications: [application],
    nodes: [nodeRecord("n1")],
    replicas: ids.map((id) => replicaRecord(id)),
  });
const shape = (update: TableUpdate): unknown[] => [
  update.kind,
  update.baseVersion,
  update.version,
  update.upserts.length,
  update.removals,
];

function watch(from: TablePublisher, known?: { epoch: number; version: number }): TableUpdate[] {
  const updates: TableUpdate[] = [];
  from.watch(known, (update) => updates.push(update));
  return updates;
}

describe("the table publisher", () => {
  it("sends nothing before the first table, then a snapshot, then only changes", () => {
    const table = publisher();
    const updates = watch(table);
    assert.deepEqual(updates, []);
    table.publish(withReplicas("a"));
    table.publish(withReplicas("a"));
    const { version, listed } = table.publish(withReplicas("b"));
    assert.deepEqual(updates.map(shape), [
      ["snapshot", 0, 1, 3, []],
      ["delta", 1, 2, 1, ["replica/a"]],
    ]);
    assert.equal(version, 2);
    assert.deepEqual([...listed], ["b"]);
  });

  it("says of each replica where it runs and what weight its node has, as the node's labels say", () => {
    const placed = (labels: Record<string, string>): unknown[] => {
      const table = publisher();
      const updates = watch(table);
      const nodes = [nodeRecord("n1", { labels })];
      table.publish(clusterState({ applications: [application], nodes, replicas: [replicaRecord("a")] }));
      const replica = updates[0]?.upserts.find((entry) => entry.kind === "replica");
      return [replica?.node, replica?.zone, replica?.weight];
    };
    assert.deepEqual(placed({ zone: "eu-1", "thornback.weight": "2.5" }), ["n1", "eu-1", 2.5]);
    assert.deepEqual(placed({ "thornback.weight": "much" }), ["n1", "", 1]);
    assert.deepEqual(placed({ "thornback.weight": "-1" }), ["n1", "", 1]);
  });

  it("publishes even an empty first table, so that a proxy knows it may answer 404", () => {
    const table = publisher();
    const updates = watch(table);
    table.publish(clusterState());
    assert.deepEqual(updates.map(shape), [["snapshot", 0, 1, 0, []]]);
  });

  it("sends a watcher that comes back what it missed, and a snapshot where that is not known any more", () => {
    const table = publisher();
    for (const id of ["a", "b", "c"]) table.publish(withReplicas(id));
    assert.deepEqual(
      watch(table, { epoch: 4, version: 1 }).map(({ version }) => version),
      [2, 3],
    );
    assert.deepEqual(watch(table, { epoch: 4, version: 3 }), []);
    assert.deepEqual(watch(table, { epoch: 3, version: 1 }).map(shape), [["snapshot", 0, 3, 3, []]]);
    for (let i = 0; i <= TABLE_CHANGES_KEPT; i++) table.publish(withReplicas(`r${i}`));
    assert.equal(watch(table, { epoch: 4, version: 1 })[0]?.kind, "snapshot");
  });

  it("sends nothing to a watcher that stopped", () => {
    const table = publisher();
    const updates: TableUpdate[] = [];
    table.watch(undefined, (update) => updates.push(update))();
    table.publish(withReplicas("a"));
    assert.deepEqual(updates, []);
  });
});

describe("a deployment in the table", () => {
  function availability(...replicas: ReturnType<typeof replicaRecord>[]): unknown {
    const table = publisher();
    const updates = watch(table);
    table.publish(clusterState({ applications: [application], replicas }));
    const entry = updates[0]?.upserts.find(({ kind }) => kind === "deployment");
    return entry?.kind === "deployment" ? [entry.availability, entry.reason] : undefined;
  }
  const withReport = (given: Parameters<typeof replicaReport>[1]) =>
    replicaRecord("r", { report: replicaReport("r", given) });

  it("is available with one ready, starting while one starts or restarts, failed when the last start failed", () => {
    assert.deepEqual(availability(replicaRecord("r")), ["available", ""]);
    assert.deepEqual(availability(withReport({ state: "starting" })), ["starting", "no replica is ready yet"]);
    assert.deepEqual(availability(withReport({ state: "failed", reason: "killed" })), [
      "starting",
      "no replica is ready yet",
    ]);
    assert.deepEqual(availability(withReport({ state: "failed", reason: "boom", failedStarts: 1 })), [
      "failed",
      "boom",
    ]);
  });

  it("names its fallback, and says that requests start it where it may have no replica", () => {
    const fallback = "E" as DeploymentName;
    const { autoscaling: resting } = readDeploymentOptions(new ProblemList(), "", { autoscaling: { minReplicas: 0 } });
    const spec = applicationSpec("app", {
      D: { options: { fallback } },
      E: {},
      F: { options: { fallback, autoscaling: resting } },
    });
    const table = publisher();
    const updates = watch(table);
    table.publish(clusterState({ applications: [applicationRecord([spec])], replicas: [] }));
    const entries = updates[0]?.upserts.flatMap((entry) => (entry.kind === "deployment" ? [entry] : []));
    assert.deepEqual(
      entries?.map((entry) => [entry.id, entry.fallback, entry.startsOnRequest]),
      [
        ["app/D", "app/E", undefined],
        ["app/E", undefined, undefined],
        ["app/F", "app/E", true],
      ],
    );
  });

  it("is known for as long as something of it runs", () => {
    const next = applicationSpec("app", { E: {} });
    const both = applicationRecord([applicationSpec("app", { D: {} }), next], { stable: 2 });
    const table = publisher();
    const updates = watch(table);
    table.publish(
      clusterState({ applications: [both], replicas: [replicaRecord("r", { deployment: idOf("app", "D") })] }),
    );
    const ids = updates[0]?.upserts.flatMap((entry) => (entry.kind === "deployment" ? [entry.id] : []));
    assert.deepEqual(ids?.sort(), ["app/D", "app/E"]);
  });
});
