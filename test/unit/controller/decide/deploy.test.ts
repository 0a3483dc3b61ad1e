import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deploy, routeOwner } from "../../../../controller/decide/deploy.ts";
import type { Digest } from "../../../../core/ids.ts";
import { VERSIONS_KEPT } from "../../../../core/limits.ts";
import { applicationRecord, applicationSpec, idOf } from "../../../fake/cluster-fixture.ts";

const spec = applicationSpec("app", { A: {}, B: {} });
const secrets = {};

describe("a deploy", () => {
  it("of something new adds everything, as generation 1", () => {
    const { plan, record } = deploy(undefined, { spec, secrets });
    assert.deepEqual(plan.added, ["A", "B"]);
    assert.equal(record?.target, 1);
    assert.equal(record.stable, 0);
  });

  it("of the same again changes nothing, also with another bundle of the same versions", () => {
    const before = applicationRecord([spec], { stable: 1 });
    const again = { ...JSON.parse(JSON.stringify(spec)), bundle: "cd".repeat(32) as Digest };
    const { plan, record } = deploy(before, { spec: again, secrets });
    assert.deepEqual(plan.unchanged, ["A", "B"]);
    assert.equal(record, undefined);
  });

  it("tells versions that change from options that change in place", () => {
    const next = applicationSpec("app", { A: { version: "v2" }, B: { replicas: 3 }, C: {} });
    const { plan, record } = deploy(applicationRecord([spec], { stable: 1 }), { spec: next, secrets });
    const names = { changed: ["A"], reconfigured: ["B"], unchanged: [], added: ["C"], removed: [] };
    assert.deepEqual(plan, { ...names, routePrefix: undefined, hasOtherSecrets: false, hasOtherAccess: false });
    assert.equal(record?.target, 2);
    assert.equal(record.stable, 1);
  });

  it("of what served before keeps saying so: nothing about it is to be found out again", () => {
    const next = applicationSpec("app", { A: { version: "v2" }, B: {} });
    const plain = applicationRecord([spec, next], { stable: 2 });
    const before = { ...plain, releases: plain.releases.map((release) => ({ ...release, hasServed: true })) };
    assert.equal(deploy(before, { spec, secrets }).record?.releases[0]?.hasServed, true);
    const other = applicationSpec("app", { A: { version: "v3" }, B: {} });
    assert.equal(deploy(before, { spec: other, secrets }).record?.releases[0]?.hasServed, undefined);
  });

  it("stores a changed secret, which is part of no version", () => {
    const { plan, record } = deploy(applicationRecord([spec], { stable: 1 }), { spec, secrets: { KEY: "new" } });
    assert.deepEqual(plan.unchanged, ["A", "B"]);
    assert.equal(plan.hasOtherSecrets, true);
    assert.deepEqual(record?.releases[0]?.secrets, { KEY: "new" });
  });

  it("stores other keys, which are part of no version", () => {
    const key = { name: "alice", sha256: "ab".repeat(32), requestsPerSecond: 0, burst: 1, maxOngoingRequests: 0 };
    const closed = { ...spec, access: { keys: [key] } };
    const { plan, record } = deploy(applicationRecord([spec], { stable: 1 }), { spec: closed, secrets });
    assert.deepEqual(plan.unchanged, ["A", "B"]);
    assert.equal(plan.hasOtherAccess, true);
    assert.equal(record?.releases[0]?.spec.access?.keys[0]?.name, "alice");
  });

  it("tries again what was given up", () => {
    const failed = applicationRecord([spec], { failure: { deployment: idOf("app", "A"), reason: "boom" } });
    const { record } = deploy(failed, { spec, secrets });
    assert.equal(record?.target, 2);
    assert.equal(record.failure, undefined);
  });

  it("compares with what serves, not with what was given up", () => {
    const bad = applicationSpec("app", { A: { version: "bad" }, B: {} });
    const failed = applicationRecord([spec, bad], {
      stable: 1,
      failure: { deployment: idOf("app", "A"), reason: "boom" },
    });
    assert.deepEqual(deploy(failed, { spec, secrets }).plan.unchanged, ["A", "B"]);
    assert.equal(deploy(failed, { spec, secrets }).record?.target, 3);
  });

  it("brings an application that is being deleted back, as a new one", () => {
    const { plan, record } = deploy(applicationRecord([spec], { stable: 1, isDeleting: true }), { spec, secrets });
    assert.deepEqual(plan.added, ["A", "B"]);
    assert.equal(record?.isDeleting, false);
    assert.equal(record.stable, 0);
  });

  it("keeps a bounded number of releases, the one that serves among them", () => {
    let record = deploy(undefined, { spec, secrets }).record;
    assert.ok(record);
    record = { ...record, stable: 1 };
    for (let i = 0; i < 2 * VERSIONS_KEPT; i++) {
      const next: typeof record | undefined = deploy(record, {
        spec: applicationSpec("app", { A: { version: `v${i}` } }),
        secrets,
      }).record;
      assert.ok(next);
      record = next;
    }
    assert.ok(record.releases.some(({ generation }) => generation === 1));
    assert.ok(record.releases.length <= VERSIONS_KEPT + 2);
  });
});

describe("a route prefix", () => {
  it("belongs to whoever serves it or is about to", () => {
    const moved = { ...spec, routePrefix: "/moved" };
    const applications = [applicationRecord([spec, moved], { stable: 1 })];
    const other = (routePrefix: string) => ({ ...applicationSpec("other", {}), routePrefix });
    assert.equal(routeOwner(applications, other("/")), "app");
    assert.equal(routeOwner(applications, other("/moved")), "app");
    assert.equal(routeOwner(applications, other("/free")), undefined);
    assert.equal(routeOwner(applications, spec), undefined);
  });

  it("is free as soon as its application is being deleted, because it answers no more", () => {
    const deleting = { ...applicationRecord([spec], { stable: 1 }), isDeleting: true };
    assert.equal(routeOwner([deleting], { ...applicationSpec("other", {}), routePrefix: "/" }), undefined);
  });
});
