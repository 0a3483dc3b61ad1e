import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApplicationRecord } from "../../../../controller/decide/cluster.ts";
import { deploy } from "../../../../controller/decide/deploy.ts";
import { keptVersions, rollback } from "../../../../controller/decide/rollback.ts";
import { applicationVersion } from "../../../../core/version.ts";
import { applicationRecord, applicationSpec } from "../../../fake/cluster-fixture.ts";

const spec = (version: string) => applicationSpec("app", { D: { version } });
const versionOf = (version: string): string => applicationVersion(spec(version).deployments);
/** v1 served, v2 never did, v3 serves. */
const record = ((): ApplicationRecord => {
  const plain = applicationRecord([spec("v1"), spec("v2"), spec("v3")], { stable: 3 });
  return { ...plain, releases: plain.releases.map((one) => ({ ...one, hasServed: one.generation !== 2 })) };
})();

function chosen(application: ApplicationRecord, version?: string): string {
  const decision = rollback(application, version);
  return decision.kind === "deploy" ? String(decision.input.spec.deployments[0]?.version) : decision.reason;
}

describe("a rollback", () => {
  it("goes to the newest version that served before the current one", () => {
    assert.equal(chosen(record), "v1");
    assert.equal(chosen(applicationRecord([spec("v1")], { stable: 1 })), "noneBefore");
  });

  it("never goes to a version that was refused, however little is kept beside it", () => {
    assert.equal(chosen(applicationRecord([spec("v2"), spec("v3")], { stable: 2 })), "noneBefore");
  });

  it("takes the version of a deployment too, where that means one release", () => {
    const given = applicationRecord([spec("aaaaaa11"), spec("bbbbbb22")], { stable: 2 });
    assert.equal(chosen(given, "aaaaaa"), "aaaaaa11");
    assert.equal(chosen(given, "cccccc"), "unknownVersion");
  });

  it("of a rollout in progress goes to what serves", () => {
    assert.equal(chosen(applicationRecord([spec("v1"), spec("v2")], { stable: 1 })), "v1");
  });

  it("goes to any kept version by its first characters, and says what is wrong with them", () => {
    assert.equal(chosen(record, versionOf("v2").slice(0, 6)), "v2");
    assert.equal(chosen(record, versionOf("v2").slice(0, 5)), "tooShort");
    assert.equal(chosen(record, "zzzzzz"), "unknownVersion");
  });

  it("keeps the values that secrets have now", () => {
    const [current, ...older] = record.releases;
    assert.ok(current);
    const releases = [
      { ...current, secrets: { KEY: "new", OTHER: "o" } },
      ...older.map((one) => ({ ...one, secrets: { KEY: "old", PAST: "p" } })),
    ];
    const decision = rollback({ ...record, releases }, undefined);
    assert.deepEqual(decision.kind === "deploy" && decision.input.secrets, { KEY: "new", PAST: "p" });
  });

  it("to and fro keeps each version once", () => {
    let application = record;
    for (let turn = 0; turn < 4; turn++) {
      const decision = rollback(application, undefined);
      assert.ok(decision.kind === "deploy");
      const next = deploy(application, decision.input).record;
      assert.ok(next);
      const releases = next.releases.map((one) => (one.generation === next.target ? { ...one, hasServed: true } : one));
      application = { ...next, releases, stable: next.target };
      assert.equal(application.releases[0]?.spec.deployments[0]?.version, turn % 2 === 0 ? "v1" : "v3");
    }
    const kept = keptVersions(application);
    assert.deepEqual(kept.map(({ version }) => version).sort(), ["v1", "v2", "v3"].map(versionOf).sort());
    assert.deepEqual(
      kept.filter(({ isCurrent }) => isCurrent).map(({ version }) => version),
      [versionOf("v3")],
    );
  });
});
