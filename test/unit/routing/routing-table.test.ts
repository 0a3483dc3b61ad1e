import assert from "node:assert/strict";
import { test } from "node:test";
import { applyUpdate } from "../../../core/table-state.ts";
import { viewOf } from "../../../routing/routing-table.ts";
import { deploymentEntry, replicaEntry, routeEntry, snapshot } from "../../fake/table.ts";

test("a view finds routes by prefix, deployments by id, and replicas by deployment", () => {
  const entries = [routeEntry("/"), routeEntry("/a/b"), deploymentEntry(), replicaEntry("r1"), replicaEntry("r2")];
  const table = applyUpdate(undefined, snapshot(1, entries));
  assert.ok(table !== "gap");
  const view = viewOf(table);
  assert.deepEqual([...view.routes.keys()], ["/", "/a/b"]);
  assert.equal(view.mostPrefixSegments, 2);
  const deployment = deploymentEntry().id;
  assert.equal(view.deployments.get(deployment)?.maxQueuedRequests, 10);
  assert.deepEqual(
    view.replicas.get(deployment)?.map((replica) => replica.id),
    ["r1", "r2"],
  );
});
