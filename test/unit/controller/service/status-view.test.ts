import assert from "node:assert/strict";
import { it } from "node:test";
import { clusterStatus } from "../../../../controller/service/status-view.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import type { NodeId } from "../../../../core/ids.ts";

/** A map that counts how often all of it is looked at. */
class CountingMap<K, V> extends Map<K, V> {
  looks = 0;

  override values(): MapIterator<V> {
    this.looks += 1;
    return super.values();
  }
}

function bed(count: number) {
  const names = Array.from({ length: count }, (_, i) => `a${i}`);
  const state = clusterState({
    applications: names.map((name) => applicationRecord([applicationSpec(name, { D: {} })], { stable: 1 })),
    nodes: names.map((name) => nodeRecord(`n-${name}`)),
    replicas: names.map((name) =>
      replicaRecord(`r-${name}`, { deployment: idOf(name, "D"), node: `n-${name}` as NodeId }),
    ),
  });
  return { ...state, replicas: new CountingMap(state.replicas), nodes: new CountingMap(state.nodes) };
}

it("every application has its own replicas, every node its own resources", () => {
  const { applications, nodes } = clusterStatus(bed(2), { self: "c", storeProblems: [] });
  const replicas = applications
    .flatMap(({ deployments }) => deployments)
    .map((one) => one.replicas.map(({ id }) => id));
  assert.deepEqual(replicas, [["r-a0"], ["r-a1"]]);
  assert.deepEqual(
    nodes.map(({ id, replicas: count, resources }) => [
      id,
      count,
      resources.total["cpus"],
      resources.allocated["cpus"],
    ]),
    [
      ["n-a0", 1, 4, 0.1],
      ["n-a1", 1, 4, 0.1],
    ],
  );
});

it("a status looks at all replicas and nodes as often for a hundred applications as for two", () => {
  const looks = [2, 100].map((count) => {
    const state = bed(count);
    clusterStatus(state, { self: "c", storeProblems: [] });
    return [state.replicas.looks, state.nodes.looks];
  });
  assert.deepEqual(looks[0], looks[1]);
});
