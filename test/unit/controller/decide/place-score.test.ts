import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { allocatedShare, placeScore, type ScoreNode } from "../../../../controller/decide/place-score.ts";
import type { NodeId } from "../../../../core/ids.ts";

function node(id: string, versionReplicas: number, deploymentReplicas: number, share = 0): ScoreNode {
  return { node: id as NodeId, versionReplicas, deploymentReplicas, allocatedShare: share };
}
const best = (...nodes: ScoreNode[]): string | undefined => nodes.sort(placeScore)[0]?.node;

describe("the score of placement", () => {
  it("prefers the fewest replicas of the version, then of the deployment, then the emptiest, then the first id", () => {
    assert.equal(best(node("a", 1, 1), node("b", 0, 5)), "b");
    assert.equal(best(node("a", 0, 2), node("b", 0, 1)), "b");
    assert.equal(best(node("a", 0, 0, 0.8), node("b", 0, 0, 0.2)), "b");
    assert.equal(best(node("b", 0, 0), node("a", 0, 0)), "a");
  });

  it("takes the resource that is taken most", () => {
    const total = new Map([
      ["cpus", 10],
      ["memoryBytes", 100],
      ["none", 0],
    ]);
    const free = new Map([
      ["cpus", 9],
      ["memoryBytes", 25],
      ["none", 0],
    ]);
    assert.equal(allocatedShare({ total, free }), 0.75);
  });
});
