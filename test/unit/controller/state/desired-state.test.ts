import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DesiredState } from "../../../../controller/state/desired-state.ts";
import { VersionConflictError } from "../../../../core/error.ts";
import type { NodeId } from "../../../../core/ids.ts";
import type { ApplicationSpec, AutoscalingSpec } from "../../../../core/spec.ts";
import { applicationRecord, applicationSpec, idOf } from "../../../fake/cluster-fixture.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

function world() {
  const log = new RecordingLog();
  const store = new MemoryStore();
  return { log, store, desired: new DesiredState({ log, store }) };
}
const application = applicationRecord([applicationSpec("app", { D: {} })]);

describe("desired state in a store", () => {
  it("has a higher epoch with every start, and what was stored", async () => {
    const { log, store, desired } = world();
    assert.equal((await desired.load()).epoch, 1);
    await desired.putApplication(application);
    await desired.putNode("n1" as NodeId);
    await desired.putNode("n1" as NodeId);
    const next = await new DesiredState({ log, store }).load();
    assert.equal(next.epoch, 2);
    assert.deepEqual(next.applications[0]?.releases[0]?.spec.name, "app");
    assert.deepEqual(next.nodes, ["n1"]);
  });

  it("fills in options that a record of an earlier release lacks", async () => {
    const { log, store, desired } = world();
    const spec = applicationSpec("app", { D: { options: { autoscaling: { maxReplicas: 3 } as AutoscalingSpec } } });
    const old = JSON.parse(
      JSON.stringify(spec).replace(/"rollout":\{.*?\]?,"keepOldMs":\d+\},/, ""),
    ) as ApplicationSpec;
    assert.ok(!JSON.stringify(old).includes("rollout"));
    await desired.putApplication(applicationRecord([old]));
    const { applications } = await new DesiredState({ log, store }).load();
    const { options } = applications[0]?.releases[0]?.spec.deployments[0] ?? assert.fail();
    assert.equal(options.rollout.strategy, "rolling");
    assert.deepEqual([options.autoscaling?.maxReplicas, options.autoscaling?.upscalingFactor], [3, 1]);
  });

  it("begins a new or emptied store's epochs where it is told to, and counts on from there", async () => {
    const { log, store, desired } = world();
    assert.equal((await desired.load(1_795_000_000)).epoch, 1_795_000_000);
    assert.equal((await new DesiredState({ log, store }).load(1_700_000_000)).epoch, 1_795_000_001);
  });

  it("does not begin at the count of an application that is gone", async () => {
    const { log, store, desired } = world();
    await desired.putApplication(application);
    await desired.putCount(idOf("app", "D"), 4);
    await desired.putCount(idOf("gone", "D"), 7);
    const { counts } = await new DesiredState({ log, store }).load();
    assert.deepEqual([...counts], [["app/D", 4]]);
    assert.equal(await store.get("count/gone/D"), undefined);
  });

  it("has a node that came back while its record was being deleted", async () => {
    const { log, store, desired } = world();
    await desired.putNode("n1" as NodeId);
    await Promise.all([desired.deleteNode("n1" as NodeId), desired.putNode("n1" as NodeId)]);
    assert.deepEqual((await new DesiredState({ log, store }).load()).nodes, ["n1"]);
  });

  it("does not overwrite what another controller has written since", async () => {
    const { log, store, desired } = world();
    await desired.putApplication(application);
    const other = new DesiredState({ log, store });
    await other.load();
    await other.putApplication({ ...application, stable: 1 });
    await assert.rejects(desired.putApplication(application), VersionConflictError);
  });

  it("leaves a value of a later schema alone, tells, and goes on with the others", async () => {
    const { log, store, desired } = world();
    await desired.putApplication(application);
    await store.put("application/later", JSON.stringify({ schema: 2, value: {} }));
    await store.put("application/broken", "{");
    const next = await new DesiredState({ log, store }).load();
    assert.deepEqual(
      next.applications.map(({ name }) => name),
      ["app"],
    );
    assert.equal(log.lines.filter(({ fields }) => fields.reason === "StoreCorrupt").length, 2);
    assert.ok(await store.get("application/later"));
    assert.match(next.unreadable.join("\n"), /application\/broken is not JSON[^]*application\/later is of schema 2/);
  });
});
