import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type FilterNode, placeFilter } from "../../../../controller/decide/place-filter.ts";
import { UNITS } from "../../../../controller/decide/capacity.ts";
import type { NodeId } from "../../../../core/ids.ts";
import { type DeploymentGiven, deploymentSpec } from "../../../fake/cluster-fixture.ts";

const node: FilterNode = {
  state: "live",
  labels: { zone: "a" },
  deploymentReplicas: 1,
  capacity: {
    node: "n1" as NodeId,
    total: new Map([
      ["cpus", 4 * UNITS],
      ["memoryBytes", 100],
    ]),
    free: new Map([
      ["cpus", UNITS],
      ["memoryBytes", 100],
    ]),
    gpus: [{ id: "g0", freeUnits: 5_000 }],
  },
};
const refusal = (given: DeploymentGiven, on: Partial<FilterNode> = {}): string | undefined =>
  placeFilter(deploymentSpec("D", given).options, { ...node, ...on });

describe("the filter of placement", () => {
  it("lets a replica pass where everything it asks for is there", () => {
    const resources = { cpus: 1, memoryBytes: 100, gpus: 0.5 };
    assert.equal(refusal({ resources, placement: { labels: { zone: "a" }, maxReplicasPerNode: 2 } }), undefined);
  });

  it("names what is missing", () => {
    assert.equal(refusal({ resources: { cpus: 2 } }), "needs 2 cpus, 1 of 4 free");
    assert.equal(refusal({ resources: { memoryBytes: 101 } }), "needs 101 memoryBytes, 100 of 100 free");
    assert.equal(refusal({ resources: { custom: { licence: 1 } } }), "needs 1 licence, 0 of 0 free");
    assert.equal(refusal({ resources: { gpus: 1 } }), "needs 1 gpus, 0 of 1 free");
    assert.equal(refusal({ resources: { gpus: 0.6 } }), "needs 0.6 gpus, 1 gpus, none with so much free");
    assert.equal(refusal({ placement: { labels: { zone: "b" } } }), "label zone=b is missing");
    assert.equal(refusal({ placement: { maxReplicasPerNode: 1 } }), "maxReplicasPerNode 1 is reached");
    assert.equal(refusal({}, { state: "suspect" }), "the node is suspect");
    assert.equal(
      refusal({ resources: { gpus: 1 } }, { capacity: { ...node.capacity, gpus: [] } }),
      "needs 1 gpus, the node has none",
    );
  });
});
