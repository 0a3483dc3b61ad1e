import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deploy } from "../../../../controller/decide/deploy.ts";
import { scale } from "../../../../controller/decide/scale.ts";
import { target } from "../../../../controller/decide/target.ts";
import type { AutoscalingSpec } from "../../../../core/spec.ts";
import { applicationRecord, applicationSpec } from "../../../fake/cluster-fixture.ts";

const fixed = applicationRecord([applicationSpec("app", { D: { replicas: 2 } })], { stable: 1 });
const bounds = { minReplicas: 1, maxReplicas: 4 } as AutoscalingSpec;
const scaling = applicationRecord([applicationSpec("app", { D: { options: { autoscaling: bounds } } })]);

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
    const before = { ...fixed, scale: { D: 5, Gone: 2 } };
    const input = (given: Parameters<typeof applicationSpec>[1]) => ({
      spec: applicationSpec("app", given),
      secrets: {},
    });
    assert.deepEqual(deploy(before, input({ D: { version: "v2", replicas: 2 } })).record?.scale, { D: 5 });
    assert.deepEqual(deploy(before, input({ D: { version: "v2", replicas: 3 } })).record?.scale, {});
    assert.deepEqual(deploy(before, input({ D: { options: { autoscaling: bounds } } })).record?.scale, {});
  });

  it("outlives a deploy whatever the name of its deployment", () => {
    const spec = applicationSpec("app", { ["__proto__"]: { replicas: 2 } });
    const decision = scale(applicationRecord([spec], { stable: 1 }), "__proto__", 5);
    assert.ok(decision.kind === "scale");
    const { record } = deploy(decision.record, {
      spec: applicationSpec("app", { ["__proto__"]: { version: "v2", replicas: 2 } }),
      secrets: {},
    });
    assert.deepEqual(Object.entries(record?.scale ?? {}), [["__proto__", 5]]);
  });
});
