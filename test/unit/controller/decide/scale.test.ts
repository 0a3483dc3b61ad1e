import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applicationAfter } from "../../../../controller/decide/apply-action.ts";
import { type ApplicationRecord, deploymentsOf } from "../../../../controller/decide/cluster.ts";
import { deploy } from "../../../../controller/decide/deploy.ts";
import { rollback } from "../../../../controller/decide/rollback.ts";
import { scale } from "../../../../controller/decide/scale.ts";
import { target } from "../../../../controller/decide/target.ts";
import type { AutoscalingSpec } from "../../../../core/spec.ts";
import { applicationRecord, applicationSpec } from "../../../fake/cluster-fixture.ts";

const fixed = applicationRecord([applicationSpec("app", { D: { replicas: 2 } })], { stable: 1 });
const both = applicationRecord([applicationSpec("app", { D: { replicas: 2 }, Gone: {} })], { stable: 1 });
const bounds = { minReplicas: 1, maxReplicas: 4 } as AutoscalingSpec;
const scaling = applicationRecord([applicationSpec("app", { D: { options: { autoscaling: bounds } } })]);

function scaledTo(count: number, application: ApplicationRecord, name = "D"): ApplicationRecord {
  const decision = scale(application, name, count);
  return decision.kind === "scale" ? decision.record : assert.fail(decision.reason);
}

function deployed(before: ApplicationRecord, given: Parameters<typeof applicationSpec>[1]): ApplicationRecord {
  const { record } = deploy(before, { spec: applicationSpec("app", given), secrets: {} });
  return record ?? assert.fail("nothing changed");
}

function wantedOf(application: ApplicationRecord): readonly unknown[] {
  const wanted = target(application, [], () => undefined).find(({ deployment }) => deployment.endsWith("/D"));
  return [wanted?.target, wanted?.reason];
}

describe("a count that somebody asked for", () => {
  it("is the target of a fixed deployment", () => {
    const decision = scale(fixed, "D", 5);
    assert.ok(decision.kind === "scale" && !decision.isAutoscaled);
    const [wanted] = target(decision.record, [], () => undefined);
    assert.deepEqual([wanted?.target, wanted?.reason], [5, "scaledByHand"]);
  });

  it("must be within the bounds of autoscaling, and goes there", () => {
    assert.deepEqual(scale(scaling, "D", 5), { kind: "refuse", reason: "outOfBounds", min: 1, max: 4 });
    assert.deepEqual(scale(scaling, "D", 0), { kind: "refuse", reason: "outOfBounds", min: 1, max: 4 });
    const decision = scale(scaling, "D", 4);
    assert.ok(decision.kind === "scale" && decision.isAutoscaled);
  });

  it("is refused for what is unknown or goes away", () => {
    assert.deepEqual(scale(undefined, "D", 1), { kind: "refuse", reason: "unknown" });
    assert.deepEqual(scale(fixed, "E", 1), { kind: "refuse", reason: "unknown" });
    assert.deepEqual(scale({ ...fixed, isDeleting: true }, "D", 1), { kind: "refuse", reason: "deleting" });
  });

  it("outlives a deploy that declares the same count, and ends with one that declares another", () => {
    const before = scaledTo(5, scaledTo(2, both, "Gone"));
    assert.deepEqual(wantedOf(deployed(before, { D: { version: "v2", replicas: 2 } })), [5, "scaledByHand"]);
    assert.deepEqual(wantedOf(deployed(before, { D: { version: "v2", replicas: 3 } })), [3, "declared"]);
    assert.deepEqual(
      deployed(before, { D: { options: { autoscaling: bounds } } }).releases.map(({ scale: counts }) => counts),
      [{}, { D: 5, Gone: 2 }],
    );
  });

  it("is that of the version it was asked of, and in force again where one that declares another is given up", () => {
    const rolling = deployed(scaledTo(5, fixed), { D: { version: "v2", replicas: 3 } });
    const givenUp = (application: ApplicationRecord): ApplicationRecord => {
      const [deployment] = deploymentsOf(application.releases[0] ?? assert.fail());
      const { target: generation, stable: fallback } = application;
      const why = { deployment: deployment?.id ?? assert.fail(), reason: "gateFailed", cause: "too slow" } as const;
      const action = { kind: "giveUp", application: application.name, generation, fallback, ...why } as const;
      return applicationAfter(application, action) ?? assert.fail();
    };
    assert.deepEqual(wantedOf(givenUp(rolling)), [5, "scaledByHand"]);
    // Asked for on the way it is for both: whichever serves in the end.
    assert.deepEqual(wantedOf(scaledTo(7, rolling)), [7, "scaledByHand"]);
    assert.deepEqual(wantedOf(givenUp(scaledTo(7, rolling))), [7, "scaledByHand"]);
  });

  it("is in force again with the version it was asked of, when that is rolled back to", () => {
    const promoted = (before: ApplicationRecord): ApplicationRecord => {
      const { name: application, target: generation } = before;
      const action = { kind: "promote", application, generation, reason: "serving" } as const;
      return applicationAfter(before, action) ?? assert.fail();
    };
    const other = promoted(deployed(scaledTo(5, promoted(fixed)), { D: { version: "v2", replicas: 3 } }));
    const decision = rollback(other, undefined);
    assert.ok(decision.kind === "deploy");
    const back = deploy(other, decision.input).record ?? assert.fail("nothing changed");
    assert.deepEqual(
      [wantedOf(other), wantedOf(back)],
      [
        [3, "declared"],
        [5, "scaledByHand"],
      ],
    );
  });

  it("outlives a deploy whatever the name of its deployment", () => {
    const spec = applicationSpec("app", { ["__proto__"]: { replicas: 2 } });
    const decision = scale(applicationRecord([spec], { stable: 1 }), "__proto__", 5);
    assert.ok(decision.kind === "scale");
    const { record } = deploy(decision.record, {
      spec: applicationSpec("app", { ["__proto__"]: { version: "v2", replicas: 2 } }),
      secrets: {},
    });
    assert.deepEqual(Object.entries(record?.releases[0]?.scale ?? {}), [["__proto__", 5]]);
  });
});
