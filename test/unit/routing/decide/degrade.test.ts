import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeploymentId } from "../../../../core/ids.ts";
import { MOST_FALLBACKS } from "../../../../core/limits.ts";
import type { DeploymentEntry } from "../../../../core/table.ts";
import { degrade, type DegradeInput, type Refusal } from "../../../../routing/decide/degrade.ts";
import { deploymentEntry } from "../../../fake/table.ts";

type Availability = DeploymentEntry["availability"];

/** Deployments a, b, c …, each the fallback of the one before, and what becomes of a request that `a` does not take. */
function decide(refusal: Refusal, fallbacks: readonly Availability[], more: Partial<DegradeInput> = {}): string {
  const ids = ["a", ...fallbacks.map((_, at) => String.fromCharCode(98 + at))].map(
    (name) => `app/${name}` as DeploymentId,
  );
  const entries = new Map(
    ids.map((id, at) => {
      const availability = fallbacks[at - 1] ?? "starting";
      return [id, deploymentEntry({ id, availability, fallback: ids[at + 1] })];
    }),
  );
  const entry = entries.get("app/a" as DeploymentId) ?? assert.fail();
  const decision = degrade({
    entry,
    refusal,
    isReplayable: true,
    degradedCount: 0,
    entryOf: (id) => entries.get(id),
    ...more,
  });
  return decision.kind === "keep" ? decision.reason : `${decision.to.id} ${decision.reason}`;
}

test("a request that would fail goes to the fallback, whatever it would fail of", () => {
  for (const refusal of ["queueFull", "tooLate", "unavailable"] as const) {
    assert.equal(decide(refusal, ["available"]), `app/b ${refusal}`);
    assert.equal(decide(refusal, ["starting"]), `app/b ${refusal}`);
  }
});

test("a request that may wait goes to a fallback that answers now, and to none that has to start as well", () => {
  assert.equal(decide("starting", ["available"]), "app/b starting");
  assert.equal(decide("starting", ["starting"]), "noneAvailable");
  assert.equal(decide("starting", ["starting", "available"]), "app/b starting");
});

test("a deployment that requests start keeps those that wait for it, and gives away those that would fail", () => {
  const entry = deploymentEntry({ availability: "starting", fallback: "app/b" as DeploymentId, startsOnRequest: true });
  assert.equal(decide("starting", ["available"], { entry }), "startsOnRequest");
  assert.equal(decide("queueFull", ["available"], { entry }), "app/b queueFull");
});

test("a request that may wait does not go where another one would wait for a start", () => {
  const entry = deploymentEntry({ availability: "starting", fallback: "app/b" as DeploymentId });
  const resting = deploymentEntry({
    availability: "starting",
    startsOnRequest: true,
    fallback: "app/c" as DeploymentId,
  });
  const entryOf = (id: DeploymentId): DeploymentEntry => (id === "app/b" ? resting : deploymentEntry({ id }));
  assert.equal(decide("starting", [], { entry, entryOf }), "noneAvailable");
});

test("a fallback whose start failed is none, unless it has one itself that is there", () => {
  assert.equal(decide("unavailable", ["failed"]), "noneAvailable");
  assert.equal(decide("unavailable", ["failed", "available"]), "app/b unavailable");
});

test("without a fallback, or with one that the table does not have, a request stays", () => {
  assert.equal(decide("queueFull", []), "noFallback");
  assert.equal(decide("queueFull", ["available"], { entryOf: () => undefined }), "noneAvailable");
});

test("a request of which a part has left stays", () => {
  assert.equal(decide("queueFull", ["available"], { isReplayable: false }), "bodySpent");
});

test("a circle ends, should a table ever hold one", () => {
  assert.equal(decide("queueFull", ["available"], { degradedCount: MOST_FALLBACKS }), "tooMany");
  const entry = deploymentEntry({ availability: "failed", fallback: deploymentEntry().id });
  assert.equal(decide("unavailable", [], { entry, entryOf: () => entry }), "noneAvailable");
});
