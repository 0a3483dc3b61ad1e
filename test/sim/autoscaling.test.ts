/** Scaling by load in virtual time, with the production controller, workers, routers and replicas. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { DeploymentId } from "../../core/ids.ts";
import type { Behaviour, SimDeployment } from "../../sim/application.ts";
import { type RunResult, simulate } from "../../sim/cluster.ts";
import type { SimEvent } from "../../sim/event.ts";
import type { Scenario } from "../../sim/scenario.ts";
import type { LoadPhase } from "../../sim/workload.ts";

/** A start takes 0.3 s: 40 to 180 ms of a process, and this of a model. */
const LOAD_MS = 150;
/** One at a time, so that one replica gets 25 requests a second done. */
const RUN_MS = 40;
const PER_SECOND = 1_000 / RUN_MS;

const SERIAL: Behaviour = {
  ...{ loadMs: LOAD_MS, startFailureShare: 0, isPermanent: false, maxBatchSize: 1, calls: "", verify: "none" },
  run: { fixedMs: RUN_MS, perItemMs: 0, failureShare: 0, stallShare: 0, stallMs: 0 },
};

function deployment(name: string, more: Partial<SimDeployment>): SimDeployment {
  return {
    ...{ name, replicas: 1, cpus: 0.5, gpus: 0, isIdempotent: true, maxOngoingRequests: 16, maxQueuedRequests: 1_000 },
    ...{ autoscaling: undefined, rollout: {}, fallback: "", behaviour: SERIAL },
    ...more,
  };
}

function scenario(deployments: readonly SimDeployment[], script: readonly LoadPhase[]): Scenario {
  const resources = { cpus: 4, memoryBytes: 1e9, gpus: [], custom: {} };
  const source = { requestsPerSecond: 0, burstFactor: 0, cancelShare: 0, timeoutsMs: [30_000] };
  return {
    nodes: new Map([1, 2].map((node) => [`node-${node}`, resources])),
    applications: [{ name: "app", codeVersion: 0, deployments }],
    sources: [{ ...source, deployment: `app/${deployments[0]?.name}` as DeploymentId, script }],
    ...{ faultEveryMs: 1_000, changeEveryMs: 0, longestFaultMs: 1_000 },
  };
}

type Seen = {
  readonly result: RunResult;
  /** Instants and counts of every decision over a deployment. */
  readonly targets: (deployment: string) => readonly { readonly at: number; readonly target: number }[];
  /** Instants at which a deployment's replicas became ready. */
  readonly readyAt: (deployment: string) => readonly number[];
  /** The latency that 99 % of the requests that came then stayed below. */
  readonly p99Ms: (fromMs: number, toMs: number) => number;
};

async function run(world: Scenario, durationMs: number): Promise<Seen> {
  const decided: { id: string; at: number; target: number }[] = [];
  const ready = new Map<string, { id: string; at: number }>();
  const came = new Map<string, number>();
  const took: { at: number; ms: number }[] = [];
  const observe = (at: number, event: SimEvent): undefined => {
    if (event.kind === "decision" && event.action === "setTarget") {
      decided.push({ id: event.about, at, target: event.target ?? 0 });
    }
    if (event.kind === "replicaState" && event.state === "ready" && !ready.has(event.replica)) {
      ready.set(event.replica, { id: event.deployment, at });
    }
    if (event.kind === "requestStarted") came.set(event.request, at);
    if (event.kind === "requestEnded") {
      const cameAt = came.get(event.request) ?? at;
      took.push({ at: cameAt, ms: at - cameAt });
    }
  };
  const result = await simulate({ seed: 11, faultMs: durationMs, hasFaults: false, scenario: world, observe });
  assert.deepEqual(result.violations, []);
  return {
    result,
    targets: (name) => decided.filter(({ id }) => id === `app/${name}`),
    readyAt: (name) => [...ready.values()].filter(({ id }) => id === `app/${name}`).map(({ at }) => at),
    p99Ms: (fromMs, toMs) => {
      const sorted = took.filter(({ at }) => at >= fromMs && at < toMs).map(({ ms }) => ms);
      sorted.sort((a, b) => a - b);
      return sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
    },
  };
}

/** How often a series of counts turns from rising to falling, or back. */
function turns(counts: readonly number[]): number {
  const directions = counts.slice(1).map((count, at) => Math.sign(count - (counts[at] ?? 0)));
  const moves = directions.filter((direction) => direction !== 0);
  return moves.slice(1).filter((direction, at) => direction !== moves[at]).length;
}

function showTargets(t: TestContext, all: readonly { readonly at: number; readonly target: number }[]): void {
  t.diagnostic(`targets: ${all.map(({ at, target }) => `${target} at ${(at / 1_000).toFixed(2)} s`).join(", ")}`);
}

test("a step to 4 times a replica's capacity is met within 3 s, and its end goes back to the least without to and fro", async (t) => {
  const [stepAt, endAt] = [5_000, 35_000];
  const script = [
    { untilMs: stepAt, requestsPerSecond: 0 },
    { untilMs: endAt, requestsPerSecond: 4 * PER_SECOND },
  ];
  const seen = await run(scenario([deployment("Model", { autoscaling: {} })], script), 110_000);
  const targets = seen.targets("Model");
  showTargets(t, targets);
  const reached = targets.find(({ target }) => target >= 4);
  assert.ok(reached !== undefined);
  const before = seen.readyAt("Model").filter((at) => at <= stepAt + 3_000);
  t.diagnostic(
    `4 wanted ${((reached.at - stepAt) / 1_000).toFixed(2)} s after the step, ${before.length} ready after 3 s`,
  );
  assert.ok(
    before.length >= 4 &&
      before.length >= Math.max(...targets.filter(({ at }) => at < stepAt + 2_500).map(({ target }) => target)),
  );
  const [normal, back] = [seen.p99Ms(stepAt + 15_000, endAt), seen.p99Ms(stepAt + 5_000, stepAt + 7_000)];
  t.diagnostic(
    `p99 ${back.toFixed(0)} ms 5 s after the step, ${normal.toFixed(0)} ms later, ${seen.p99Ms(stepAt, stepAt + 2_000).toFixed(0)} ms at first`,
  );
  assert.ok(back < 2 * normal);
  assert.equal(targets.at(-1)?.target, 1);
  assert.ok(turns(targets.map(({ target }) => target)) <= 1);
  assert.deepEqual(Object.keys(seen.result.outcomes), ["ok"]);
});

test("a constant load at its target for 10 minutes changes nothing", async (t) => {
  const runMs = 800;
  const behaviour = { ...SERIAL, maxBatchSize: 0, run: { ...SERIAL.run, fixedMs: runMs } };
  // Three replicas with two requests each: 7.5 a second of 0.8 s.
  const script = [{ untilMs: 600_000, requestsPerSecond: (3 * 2 * 1_000) / runMs }];
  const model = deployment("Model", { behaviour, autoscaling: { initialReplicas: 3, minReplicas: 1 } });
  const seen = await run(scenario([model], script), 600_000);
  const during = seen.targets("Model").filter(({ at }) => at < 600_000);
  showTargets(t, during);
  t.diagnostic(`${seen.result.requests} requests, p99 ${seen.p99Ms(0, 600_000).toFixed(0)} ms`);
  assert.deepEqual(
    during.map(({ target }) => target),
    [3],
  );
});

test("of two deployments behind one router only the one that has the load scales", async (t) => {
  const router = { ...SERIAL, maxBatchSize: 0, calls: "French", run: { ...SERIAL.run, fixedMs: 1 } };
  const script = [
    { untilMs: 2_000, requestsPerSecond: 0 },
    { untilMs: 20_000, requestsPerSecond: 2 * PER_SECOND },
  ];
  const translators = ["French", "Spanish"].map((name) => deployment(name, { autoscaling: {} }));
  const seen = await run(
    scenario([deployment("Router", { behaviour: router, maxOngoingRequests: 200 }), ...translators], script),
    20_000,
  );
  const [french, spanish] = [seen.targets("French"), seen.targets("Spanish")];
  showTargets(t, french);
  assert.ok(Math.max(...french.map(({ target }) => target)) >= 2);
  assert.deepEqual(
    spanish.map(({ target }) => target),
    [1],
  );
});

test("a hundred requests at once that find no replica are all answered", async (t) => {
  const script = [
    { untilMs: 3_000, requestsPerSecond: 0 },
    { untilMs: 3_010, requestsPerSecond: 10_000 },
  ];
  const autoscaling = { minReplicas: 0, initialReplicas: 0, maxReplicas: 8, scaleToZeroDelayMs: 5_000 };
  const seen = await run(scenario([deployment("Model", { autoscaling })], script), 25_000);
  showTargets(t, seen.targets("Model"));
  t.diagnostic(`${seen.result.requests} requests, p99 ${seen.p99Ms(0, 25_000).toFixed(0)} ms`);
  assert.ok(seen.result.requests >= 80);
  assert.deepEqual(seen.result.outcomes, { ok: seen.result.requests });
  assert.equal(seen.targets("Model").at(-1)?.target, 0);
});
