import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type PlaceNeed, placeOrder } from "../../../../controller/decide/place-order.ts";
import type { ReplicaId } from "../../../../core/ids.ts";
import { idOf } from "../../../fake/cluster-fixture.ts";

const NEEDS: Readonly<Record<string, PlaceNeed>> = {
  empty: { placed: 0, target: 3, least: 1 },
  short: { placed: 1, target: 4, least: 3 },
  half: { placed: 4, target: 8, least: 1 },
  most: { placed: 6, target: 8, least: 1 },
};

function order(names: readonly string[]): readonly string[] {
  const waiting = names.map((name, i) => ({
    id: `${name.replace("/", "-")}-${i}` as ReplicaId,
    deployment: idOf("app", name),
    createdAt: i,
  }));
  const needOf = (id: string): PlaceNeed => NEEDS[id.slice(4)] ?? { placed: 0, target: 1, least: 1 };
  return placeOrder(waiting, needOf).map(({ id }) => id);
}

describe("what is free in a cluster", () => {
  it("goes to first replicas, then to least counts, then to the smallest share of a target, then by age", () => {
    const names = ["most", "half", "half", "short", "empty"];
    assert.deepEqual(order(names), ["empty-4", "short-3", "half-1", "half-2", "most-0"]);
  });

  it("counts each as if those of its deployment before it were placed, so that nobody gets everything", () => {
    assert.deepEqual(order(["half", "half", "half", "half", "most"]), [
      "half-0",
      "half-1",
      "half-2",
      "most-4",
      "half-3",
    ]);
    assert.deepEqual(order(["empty", "empty", "short"]), ["empty-0", "short-2", "empty-1"]);
  });

  it("is by age among equals", () => {
    assert.deepEqual(order(["half", "other", "half"]), ["other-1", "half-0", "half-2"]);
  });
});
