import assert from "node:assert/strict";
import { it } from "node:test";
import { autoscalingOf, withoutUnused } from "../../../../controller/decide/forget-told.ts";
import type { ApplicationName } from "../../../../core/ids.ts";
import { applicationRecord, applicationSpec, clusterState, idOf } from "../../../fake/cluster-fixture.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const ID = idOf("app", "D");
const scaling = { ...autoscalingSpec(), hasPolicy: true };
const before = applicationRecord([applicationSpec("app", { D: { options: { autoscaling: scaling } } })]);
const given = {
  metrics: new Map([[ID, { value: 1, at: 0 }]]),
  policies: new Map([
    [ID, { target: 2, problem: "", at: 0 }],
    [idOf("other", "D"), { target: 3, problem: "", at: 0 }],
  ]),
};

it("an application's scaling is that of the release that is to run, and none while it is being deleted", () => {
  assert.equal(autoscalingOf(clusterState({ applications: [before] }), ID), scaling);
  assert.equal(autoscalingOf(clusterState({ applications: [{ ...before, isDeleting: true }] }), ID), undefined);
  assert.equal(autoscalingOf(clusterState(), ID), undefined);
});

it("what an application no longer scales by is not kept, and others' is", () => {
  const app = "app" as ApplicationName;
  const now = withoutUnused(clusterState({ applications: [before] }, given), app);
  assert.deepEqual([[...now.metrics.keys()], now.policies], [[], given.policies]);
  const gone = withoutUnused(clusterState({}, given), app);
  assert.deepEqual([[...gone.metrics.keys()], [...gone.policies.keys()]], [[], ["other/D"]]);
});
