import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readDeploymentOptions } from "../../../core/deployment-options.ts";
import type { Digest } from "../../../core/ids.ts";
import { ProblemList } from "../../../core/problem-list.ts";
import { applicationVersion, deploymentVersion, stableJson } from "../../../core/version.ts";
import type { VersionInput } from "../../../core/version.ts";

function version(options: Readonly<Record<string, unknown>>, rest: Partial<VersionInput> = {}): string {
  const spec = readDeploymentOptions(new ProblemList(), "", options);
  return deploymentVersion({ options: spec, args: "[]", modules: [], assets: [], nativePackages: [], ...rest });
}

const a = { name: "a.ts", digest: "1" as Digest };
const b = { name: "b.ts", digest: "2" as Digest };

describe("deploymentVersion", () => {
  for (const [name, value] of Object.entries({
    numReplicas: 7,
    autoscaling: { maxReplicas: 3 },
    rollout: { strategy: "canary" },
    maxQueuedRequests: 1,
    requestTimeoutMs: 1,
    maxRequestBodyBytes: 1,
    idempotent: true,
    userConfig: { a: 1 },
    healthCheckPeriodMs: 1,
    healthCheckTimeoutMs: 1,
    gracefulShutdownTimeoutMs: 1,
    routing: "roundRobin",
    fallback: "Small",
  })) {
    it(`stays the same when ${name} changes`, () => assert.equal(version({ [name]: value }), version({})));
  }

  for (const [name, value] of Object.entries({
    resources: { cpus: 2 },
    placement: { labels: { zone: "a" } },
    env: { MODE: "fast" },
    maxOngoingRequests: 3,
    startTimeoutMs: 5,
  })) {
    it(`differs when ${name} changes`, () => assert.notEqual(version({ [name]: value }), version({})));
  }

  it("differs with arguments, modules, assets and native packages", () => {
    const all = [
      version({}),
      version({}, { args: "[1]" }),
      version({}, { modules: [a] }),
      version({}, { assets: [a] }),
      version({}, { nativePackages: [{ name: "x", version: "1.0.0" }] }),
      version({}, { nativePackages: [{ name: "x", version: "1.0.1" }] }),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  it("does not depend on the order of modules or of fields", () => {
    assert.equal(version({}, { modules: [a, b] }), version({}, { modules: [b, a] }));
    assert.equal(version({ env: { A: "1", B: "2" } }), version({ env: { B: "2", A: "1" } }));
  });
});

it("an application's version changes when a deployment's does, and not with their order", () => {
  const one = { name: "A", version: "1" } as never;
  const two = { name: "B", version: "2" } as never;
  assert.equal(applicationVersion([one, two]), applicationVersion([two, one]));
  assert.notEqual(applicationVersion([one]), applicationVersion([one, two]));
});

it("stableJson sorts fields at every depth", () => {
  assert.equal(stableJson({ b: { d: 1, c: 2 }, a: [{ z: 1, y: 2 }] }), '{"a":[{"y":2,"z":1}],"b":{"c":2,"d":1}}');
});
