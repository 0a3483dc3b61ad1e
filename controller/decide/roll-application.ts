import type { ApplicationName, DeploymentId, ReplicaId } from "../../core/ids.ts";
import { randomSuffix } from "../../core/random.ts";
import { advanceRollout, besideOf, hasSwitched, isPaused, isReturning, stageOf } from "./advance-rollout.ts";
import { autoscaled, isCount } from "./autoscaled.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  indexOf,
  releaseWith,
  replicasOf,
} from "./cluster.ts";
import { fitsOn } from "./place.ts";
import type { Plan } from "./plan.ts";
import { rollout, type RolloutStep } from "./rollout.ts";
import { rolloutViews, servingCount } from "./rollout-view.ts";
import { onItsWay, target, type Wanted } from "./target.ts";

/**
 * Brings an application's replicas nearer to what its release wants: versions first, then counts, then replicas.
 * `targeted` are its deployments that have a target.
 */
export function rollApplication(plan: Plan, name: ApplicationName, targeted: readonly DeploymentId[]): void {
  setMissingTargets(plan, name);
  advanceRollout(plan, name);
  const application = plan.state.applications.get(name);
  if (application === undefined) return;
  const wanted = wantedOf(plan, name);
  setTargets(plan, wanted, targeted);
  for (const one of wanted) rollDeployment(plan, one);
  if (application.isDeleting) {
    if (indexOf(plan.state).ofApplication(name).size === 0)
      plan.add({ kind: "dropApplication", application: name, reason: "nothingLeft" });
  } else if (isWhole(plan, application, wanted)) {
    plan.add({ kind: "promote", application: name, generation: application.target, reason: "serving" });
  }
}

/** Which version of each of its deployments is to run, and how many replicas of it. */
function wantedOf({ state, now }: Plan, name: ApplicationName): readonly Wanted[] {
  const application = state.applications.get(name);
  if (application === undefined) return [];
  const replicas = [...indexOf(state).ofApplication(name).values()];
  return target(application, replicas, (one) => autoscaled(state, one, now)).map((one) =>
    onItsWay(application, one, state.targets.get(one.deployment)),
  );
}

/**
 * Stages are judged by how many replicas there are to be, which is not known yet of a deployment that is wanted again, nor of
 * most when a controller has just started.
 */
function setMissingTargets(plan: Plan, name: ApplicationName): void {
  const application = plan.state.applications.get(name);
  const release = application === undefined ? undefined : effectiveRelease(application);
  const missing =
    release === undefined ? [] : deploymentsOf(release).filter(({ id }) => !isCount(plan.state.targets.get(id)));
  if (missing.length === 0) return;
  const ids = new Set(missing.map(({ id }) => id));
  setTargets(
    plan,
    wantedOf(plan, name).filter(({ deployment }) => ids.has(deployment)),
    [],
  );
}

function setTargets(plan: Plan, wanted: readonly Wanted[], targeted: readonly DeploymentId[]): void {
  for (const { deployment, target: count, reason, signals } of wanted) {
    const before = plan.state.targets.get(deployment);
    if (before?.target === count && before.reason === reason) continue;
    plan.add({ kind: "setTarget", deployment, target: count, reason, signals });
  }
  for (const deployment of targeted) {
    const before = plan.state.targets.get(deployment);
    if (before === undefined || wanted.some((one) => one.deployment === deployment)) continue;
    plan.add({ kind: "setTarget", deployment, target: before.target, reason: "gone" });
  }
}

function rollDeployment(plan: Plan, wanted: Wanted): void {
  const { deployment, version, target: count } = wanted;
  const { state, now } = plan;
  const spec = version === undefined ? undefined : releaseWith(state, deployment, version)?.spec;
  const stage = spec === undefined ? undefined : stageOf(state, { id: deployment, spec });
  const { maxSurge, maxUnavailable } = spec?.options.rollout ?? NO_BUDGET;
  const returning =
    spec !== undefined && stage !== undefined && isReturning(state, { id: deployment, spec }, stage, now)
      ? stage.from
      : undefined;
  const next = returning ?? version;
  // Routers know of no share while the old version returns, so that what is still to be verified must not be there at all.
  const replicas = rolloutViews(state, { deployment, wanted: next }, now).map((replica) =>
    returning !== undefined && replica.version === version ? { ...replica, isUnproven: true } : replica,
  );
  const steps = rollout(
    {
      version: next,
      target: count,
      isHeld: wanted.reason === "callersRemain",
      replicas,
      beside:
        spec === undefined || returning !== undefined
          ? undefined
          : besideOf(state, { id: deployment, spec }, stage, now),
      maxSurge,
      maxUnavailable,
      wouldFitWithout: (pending, other) => wouldFitWithout(plan.state, pending, other),
    },
    now,
  );
  for (const step of steps) addStep(plan, step, deployment);
}

/** Where nothing is to run there is nothing to make room for. */
const NO_BUDGET = { maxSurge: 0, maxUnavailable: 0 } as const;

function addStep(plan: Plan, step: RolloutStep, deployment: DeploymentId): void {
  if (step.kind !== "create") {
    plan.add(step);
    return;
  }
  const { version, reason } = step;
  for (let i = 0; i < step.count; i++) {
    plan.add({ kind: "create", replica: newId(plan, deployment), deployment, version, reason });
  }
}

/** `digits-classifier-k3x9q`: says what it is, and is a file's name too. */
function newId(plan: Plan, deployment: DeploymentId): ReplicaId {
  const prefix = deployment.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  for (;;) {
    const id = `${prefix}-${randomSuffix(plan.random, 5)}` as ReplicaId;
    if (!plan.state.replicas.has(id)) return id;
  }
}

/** Only the other's own node is judged: where there is room already, the pending replica is placed in this very tick. */
function wouldFitWithout(state: ClusterState, pending: ReplicaId, other: ReplicaId): boolean {
  const replica = state.replicas.get(pending);
  const node = state.replicas.get(other)?.node;
  return replica !== undefined && node !== undefined && fitsOn(state, replica, { node, without: other });
}

/** Whether the target release serves fully: enough of every deployment, and no router sends to an outdated replica. */
function isWhole({ state, now }: Plan, application: ApplicationRecord, wanted: readonly Wanted[]): boolean {
  if (application.failure !== undefined || application.stable === application.target) return false;
  if (isPaused(application)) return false;
  if (effectiveRelease(application) === undefined) return false;
  return wanted.every(({ deployment, version, target: count }) => {
    if (version === undefined) return true;
    if (servingCount(state, { deployment, version }, now) < count) return false;
    const spec = releaseWith(state, deployment, version)?.spec;
    const stage = spec === undefined ? undefined : stageOf(state, { id: deployment, spec });
    if (spec !== undefined && stage?.stage.kind === "switched")
      return hasSwitched(state, { id: deployment, spec }, now);
    if (stage !== undefined && stage.stage.kind !== "rolling") return false;
    const isOutdatedListed = replicasOf(state, deployment).some(
      (replica) => replica.version !== version && (replica.desired === "run" || replica.desired === "leave"),
    );
    return !isOutdatedListed;
  });
}
