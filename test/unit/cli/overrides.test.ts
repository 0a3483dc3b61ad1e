import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import { applyOverrides, type Overrides } from "../../../cli/overrides.ts";
import { readDeploymentOptions } from "../../../core/deployment-options.ts";
import { ProblemList } from "../../../core/problem-list.ts";
import type { ApplicationSpec, DeploymentSpec } from "../../../core/spec.ts";

function spec(options: Record<string, unknown>): ApplicationSpec {
  const deployment = {
    name: "Gateway",
    version: "0123456789ab",
    options: readDeploymentOptions(new ProblemList(), "", options),
  } as DeploymentSpec;
  return { name: "app", routePrefix: "/", deployments: [deployment] } as unknown as ApplicationSpec;
}

function override(options: Record<string, unknown>, overrides: Partial<Overrides>): DeploymentSpec {
  const applied = applyOverrides(spec(options), { env: {}, deployments: {}, ...overrides }, "serve.yaml");
  const [deployment] = applied.deployments;
  assert.ok(deployment);
  return deployment;
}

test("options that replicas read make another version, the same one every time", () => {
  const first = override({}, { deployments: { Gateway: { resources: { cpus: 2 } } } });
  const again = override({}, { deployments: { Gateway: { resources: { cpus: 2 } } } });
  assert.match(first.version, /^[0-9a-f]{12}$/);
  assert.notEqual(first.version, "0123456789ab");
  assert.equal(first.version, again.version);
});

test("options that replicas do not read, and those that repeat the code's own, keep the version", () => {
  assert.equal(
    override({}, { deployments: { Gateway: { numReplicas: 3, requestTimeoutMs: 5 } } }).version,
    "0123456789ab",
  );
  const same = override({ resources: { cpus: 2 } }, { deployments: { Gateway: { resources: { cpus: 2 } } } });
  assert.equal(same.version, "0123456789ab");
});

test("resources and env are merged field by field, a deployment's env over the application's", () => {
  const { options } = override(
    { resources: { cpus: 2, gpus: 1 }, env: { A: "code", B: "code" } },
    { env: { B: "all" }, deployments: { Gateway: { resources: { cpus: 4 }, env: { B: "one" } } } },
  );
  assert.equal(options.resources.cpus, 4);
  assert.equal(options.resources.gpus, 1);
  assert.deepEqual(options.env, { A: "code", B: "one" });
});

test("a fixed count in the file wins over autoscaling in the code", () => {
  const { options } = override(
    { autoscaling: { minReplicas: 1, maxReplicas: 8 } },
    { deployments: { Gateway: { numReplicas: 3 } } },
  );
  assert.equal(options.autoscaling, undefined);
  assert.equal(options.numReplicas, 3);
});

test("rollout and autoscaling keep the code's functions, and no file can say that there is one", () => {
  const code = { autoscaling: { maxReplicas: 2, hasPolicy: true }, rollout: { hasVerify: true, steps: [50, 100] } };
  const { options, version } = override(code, {
    deployments: { Gateway: { rollout: { strategy: "canary" }, autoscaling: { maxReplicas: 3 } } },
  });
  assert.deepEqual([options.rollout.strategy, options.rollout.steps], ["canary", [50, 100]]);
  assert.deepEqual([options.rollout.hasVerify, options.autoscaling?.hasPolicy], [true, true]);
  assert.equal(version, "0123456789ab");
  const wrong = { Gateway: { rollout: { hasVerify: true } } };
  assert.throws(() => override({}, { deployments: wrong }), /rollout\.hasVerify cannot be set/);
});

test("unknown deployments and options are refused with 78, all of them at once", () => {
  assert.throws(
    () => override({}, { deployments: { Gatway: {}, Gateway: { replicas: 3, numReplicas: "many" } } }),
    (error: unknown) => {
      assert.ok(error instanceof CliError);
      assert.equal(error.exitCode, EXIT.refused);
      assert.match(error.message, /deployments\.Gatway is not known here; known are Gateway/);
      assert.match(error.message, /deployments\.Gateway\.replicas is not known here/);
      assert.match(error.message, /deployments\.Gateway\.numReplicas must be a whole number/);
      return true;
    },
  );
});

test("a fallback is set by name, taken away by null, and has to be a deployment that does not lead back", () => {
  const { options, version } = override({}, { deployments: { Gateway: { fallback: null } } });
  assert.deepEqual([options.fallback, version], [undefined, "0123456789ab"]);
  const refused = (fallback: string) => (): unknown => override({}, { deployments: { Gateway: { fallback } } });
  assert.throws(refused("Small"), /deployments\.Gateway\.fallback is Small, which is not among the deployments/);
  assert.throws(refused("Gateway"), /leads back to itself: Gateway → Gateway/);
});

test("a file cannot name a fallback that lets in whom the deployment asks for leave", () => {
  const guarded = { ...spec({}).deployments[0], hasAuthorize: true } as DeploymentSpec;
  const open = { ...guarded, name: "Open", hasAuthorize: false } as DeploymentSpec;
  const both = { ...spec({}), deployments: [guarded, open] };
  const deployments = { Gateway: { fallback: "Open" } };
  assert.throws(
    () => applyOverrides(both, { env: {}, deployments }, "serve.yaml"),
    (thrown) => thrown instanceof CliError && /Gateway\.fallback is Open, which has no authorize/.test(thrown.message),
  );
});
