import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Target, TargetReason } from "../../../../controller/decide/cluster.ts";
import { onItsWay, target as decide, type Wanted } from "../../../../controller/decide/target.ts";
import type { Version } from "../../../../core/ids.ts";
import { applicationRecord, applicationSpec, idOf, replicaRecord } from "../../../fake/cluster-fixture.ts";

const target = (...[application, replicas]: [Parameters<typeof decide>[0], Parameters<typeof decide>[1]]) =>
  decide(application, replicas, () => undefined);
const short = (wanted: ReturnType<typeof decide>): string[] =>
  wanted.map(({ deployment, target: count, reason }) => `${deployment} ${count} ${reason}`);

const both = applicationSpec("app", { In: { replicas: 2 }, Old: {} });
const inOnly = applicationSpec("app", { In: { version: "v2", replicas: 2 } });
const inOne = replicaRecord("i1", { deployment: idOf("app", "In") });
const inTwo = replicaRecord("i2", { deployment: idOf("app", "In"), version: "v2" as Version });
const old = replicaRecord("o1", { deployment: idOf("app", "Old") });

describe("the target of a deployment", () => {
  it("is what the specification declares, what somebody asked for since, or what its own scaling says", () => {
    const spec = applicationSpec("app", { A: { replicas: 2 }, B: { replicas: 1 }, C: { replicas: 1 } });
    const release = { generation: 1, spec, secrets: {}, scale: { B: 5, C: 6 } };
    const record = applicationRecord([spec], { releases: [release] });
    const wanted = decide(record, [], ({ id }) =>
      id === idOf("app", "C") ? { target: 7, reason: "loadRose" } : undefined,
    );
    assert.deepEqual(short(wanted), ["app/A 2 declared", "app/B 5 scaledByHand", "app/C 7 loadRose"]);
  });

  it("is what is declared where a deployment has the name of a member that every object has", () => {
    const spec = applicationSpec("app", { constructor: { replicas: 2 } });
    const record = applicationRecord([spec], { releases: [{ generation: 1, spec, secrets: {}, scale: {} }] });
    assert.deepEqual(short(target(record, [])), ["app/constructor 2 declared"]);
  });

  it("is none for the deployment whose first start failed, and unchanged for its neighbours", () => {
    const record = applicationRecord([both], { failure: { deployment: idOf("app", "Old"), reason: "boom" } });
    assert.deepEqual(short(target(record, [])), ["app/In 2 declared", "app/Old 0 startFailed"]);
  });

  it("keeps a removed deployment for as long as replicas that call it run, or the newer release does not serve", () => {
    const rolling = applicationRecord([both, inOnly], { stable: 1 });
    assert.deepEqual(short(target(rolling, [inTwo, old])), ["app/In 2 declared", "app/Old 0 callersRemain"]);
    const served = applicationRecord([both, inOnly], { stable: 2 });
    assert.deepEqual(short(target(served, [inOne, inTwo, old])), ["app/In 2 declared", "app/Old 0 callersRemain"]);
    assert.deepEqual(short(target(served, [inTwo, old])), ["app/In 2 declared", "app/Old 0 removed"]);
  });

  it("deletes the ingress first, what it calls after it", () => {
    const deleting = applicationRecord([both], { isDeleting: true });
    assert.deepEqual(short(target(deleting, [inOne, old])), ["app/In 0 deleting", "app/Old 0 callersRemain"]);
    assert.deepEqual(short(target(deleting, [old])), ["app/Old 0 deleting"]);
  });

  it("of a release on its way is not lowered by what it names, only by what the load says, until it serves", () => {
    const rolling = applicationRecord([both, inOnly], { stable: 1 });
    const has = (count: number): Target => ({ target: count, reason: "declared" });
    const wanted = (count: number, reason: TargetReason): Wanted => ({
      ...{ deployment: idOf("app", "In"), version: "v2" as Version, target: count, reason },
    });
    assert.equal(onItsWay(rolling, wanted(1, "declared"), has(4)).target, 4);
    assert.equal(onItsWay(rolling, wanted(2, "bounds"), has(4)).target, 4);
    assert.equal(onItsWay(rolling, wanted(6, "declared"), has(4)).target, 6);
    assert.equal(onItsWay(rolling, wanted(2, "loadFell"), has(4)).target, 2);
    assert.equal(onItsWay(rolling, wanted(2, "scaledByHand"), has(4)).target, 2);
    const served = applicationRecord([both, inOnly], { stable: 2 });
    assert.equal(onItsWay(served, wanted(1, "declared"), has(4)).target, 1);
    const refused = applicationRecord([both, inOnly], {
      stable: 1,
      failure: { deployment: idOf("app", "In"), reason: "boom" },
    });
    assert.equal(onItsWay(refused, wanted(1, "declared"), has(4)).target, 1);
  });

  it("that may be none is one until the release has shown that it starts", () => {
    const first = applicationRecord([inOnly]);
    const wanted = { deployment: idOf("app", "In"), version: "v2" as Version, target: 0 };
    assert.equal(onItsWay(first, { ...wanted, reason: "initial" }, undefined).target, 1);
    const one: Target = { target: 1, reason: "initial" };
    assert.equal(onItsWay(first, { ...wanted, reason: "idle" }, one).target, 1, "however long it takes");
    const served = applicationRecord([inOnly], { stable: 1 });
    assert.equal(onItsWay(served, { ...wanted, reason: "idle" }, one).target, 0);
  });
});
