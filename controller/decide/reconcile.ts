import type { ApplicationName, DeploymentId, ReplicaId, Version } from "../../core/ids.ts";
import { splitDeploymentId } from "../../core/ids.ts";
import { type Random, randomSuffix } from "../../core/random.ts";
import type { Action } from "./action.ts";
import { applyAction } from "./apply-action.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isFailing,
  isReady,
  isServing,
  isSettled,
  releaseOf,
  releaseWith,
  type ReplicaRecord,
  replicasOf,
} from "./cluster.ts";
import { nodeLease } from "./node-lease.ts";
import { place } from "./place.ts";
import { recovery } from "./recovery.ts";
import { replace } from "./replace.ts";
import { givenUpReason, rollout, type RolloutReplica, type RolloutStep } from "./rollout.ts";
import { target, type Wanted } from "./target.ts";

/**
 * The whole decision of one tick, and the only place where its parts meet, in a fixed order: leases → replace → target
 * → rollout → place. Each part sees the state as the parts before it leave it, so that a replica made by the rollout is
 * placed in the same tick and two replicas never get the same last GPU. Pure: what it returns is performed elsewhere.
 */
export function reconcile(state: ClusterState, now: number, random: Random): readonly Action[] {
  const plan = new Plan(state, now, random);
  leases(plan);
  if (!plan.state.isRecovered) {
    const step = recovery(plan.state, now);
    if (step.kind === "wait") return plan.actions;
    plan.add(step);
  }
  replaceLost(plan);
  for (const application of [...plan.state.applications.values()]) roll(plan, application.name);
  dropUnknown(plan);
  placePending(plan);
  return plan.actions;
}

/** The actions so far, and the state as they leave it. */
class Plan {
  readonly actions: Action[] = [];
  readonly now: number;
  readonly random: Random;
  #state: ClusterState;

  constructor(state: ClusterState, now: number, random: Random) {
    this.#state = state;
    this.now = now;
    this.random = random;
  }

  get state(): ClusterState {
    return this.#state;
  }

  add(action: Action): void {
    this.actions.push(action);
    this.#state = applyAction(this.#state, action, this.now);
  }
}

function leases(plan: Plan): void {
  for (const node of plan.state.nodes.values()) {
    const lease = nodeLease(node, plan.now);
    if (lease.state === "forgotten") plan.add({ kind: "forgetNode", node: node.id, reason: "lostForLong" });
    else if (lease.state !== node.state) {
      plan.add({ kind: "markNode", node: node.id, state: lease.state, reason: lease.reason });
    }
  }
}

function replaceLost(plan: Plan): void {
  for (const replica of plan.state.replicas.values()) {
    if (replica.node === undefined) continue;
    const node = plan.state.nodes.get(replica.node);
    const application = plan.state.applications.get(splitDeploymentId(replica.deployment).application);
    const isStable = application !== undefined && application.stable === application.target;
    const isNodeLost = node === undefined || node.state === "lost";
    const step = replace({ replica, isNodeLost, isStable }, plan.now);
    if (step.kind !== "keep") plan.add({ ...step, replica: replica.id });
  }
}

function roll(plan: Plan, name: ApplicationName): void {
  giveUp(plan, name);
  const application = plan.state.applications.get(name);
  if (application === undefined) return;
  const replicas = replicasOfApplication(plan.state, name);
  const wanted = target(application, replicas);
  setTargets(plan, name, wanted);
  for (const one of wanted) rollDeployment(plan, one);
  if (application.isDeleting) {
    if (replicas.length === 0) plan.add({ kind: "dropApplication", application: name, reason: "nothingLeft" });
  } else if (isWhole(plan, application, wanted)) {
    plan.add({ kind: "promote", application: name, generation: application.target, reason: "serving" });
  }
}

/** Gives the target release up when one of its deployments cannot start, and was not running before in that version. */
function giveUp(plan: Plan, name: ApplicationName): void {
  const application = plan.state.applications.get(name);
  if (application === undefined || application.isDeleting || application.failure !== undefined) return;
  if (application.stable === application.target) return;
  const stable = releaseOf(application, application.stable);
  const servedBefore = new Map(
    stable === undefined ? [] : deploymentsOf(stable).map(({ id, spec }) => [id, spec.version]),
  );
  for (const { deployment, version } of target(application, replicasOfApplication(plan.state, name))) {
    if (version === undefined || servedBefore.get(deployment) === version) continue;
    const cause = givenUpReason(views(plan, deployment, version), version);
    if (cause === undefined) continue;
    const { target: generation } = application;
    const fallback = fallbackOf(plan, application);
    plan.add({ kind: "giveUp", application: name, generation, deployment, fallback, reason: "startsFailed", cause });
    return;
  }
}

/** Replicas of a deployment in one version that take requests from every router. */
function servingCount({ state, now }: Plan, deployment: DeploymentId, version: Version): number {
  const replicas = replicasOf(state, deployment);
  return replicas.filter((replica) => replica.version === version && isServing(state, replica, now)).length;
}

/**
 * The release to go back to: the newest since the stable one of which every deployment serves. It may not have been
 * promoted yet, for instance a first release that a broken second one followed at once; what serves is never taken away.
 */
function fallbackOf(plan: Plan, application: ApplicationRecord): number {
  const { stable, target: given } = application;
  const later = application.releases.filter(({ generation }) => generation > stable && generation < given);
  const serving = later
    .filter((release) => deploymentsOf(release).every(({ id, spec }) => servingCount(plan, id, spec.version) > 0))
    .map(({ generation }) => generation);
  return Math.max(stable, ...serving);
}

function setTargets(plan: Plan, name: ApplicationName, wanted: readonly Wanted[]): void {
  for (const { deployment, target: count, reason } of wanted) {
    const before = plan.state.targets.get(deployment);
    if (before?.target === count && before.reason === reason) continue;
    plan.add({ kind: "setTarget", deployment, target: count, reason });
  }
  for (const [deployment, { target: count }] of plan.state.targets) {
    if (splitDeploymentId(deployment).application !== name) continue;
    if (wanted.some((one) => one.deployment === deployment)) continue;
    plan.add({ kind: "setTarget", deployment, target: count, reason: "gone" });
  }
}

function rollDeployment(plan: Plan, wanted: Wanted): void {
  const { deployment, version } = wanted;
  const steps = rollout(
    {
      version,
      target: wanted.target,
      isHeld: wanted.reason === "callersRemain",
      replicas: views(plan, deployment, version),
      wouldFitWithout: (pending, other) => wouldFitWithout(plan.state, pending, other),
    },
    plan.now,
  );
  for (const step of steps) addStep(plan, step, wanted);
}

function addStep(plan: Plan, step: RolloutStep, { deployment, version }: Wanted): void {
  if (step.kind !== "create") {
    plan.add(step);
    return;
  }
  if (version === undefined) return;
  for (let i = 0; i < step.count; i++) {
    plan.add({ kind: "create", replica: newId(plan, deployment), deployment, version, reason: step.reason });
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

function views(plan: Plan, deployment: DeploymentId, wanted: Version | undefined): readonly RolloutReplica[] {
  const { state, now } = plan;
  return replicasOf(state, deployment).map((replica) => {
    const isUnknown = releaseWith(state, deployment, replica.version) === undefined;
    // What a kept release describes and another has replaced is surely not wanted, so no report is to be waited for.
    const isSurelyOutdated = !isUnknown && replica.version !== wanted;
    return { ...view(state, replica, now), isUnknown, isHeld: isHeld(state, replica, now) && !isSurelyOutdated };
  });
}

/** The controller has just started: what is not wanted now may be, once every worker has reported. */
function isHeld(state: ClusterState, replica: ReplicaRecord, now: number): boolean {
  return replica.isAdopted && now < state.graceUntil;
}

function view(state: ClusterState, replica: ReplicaRecord, now: number): Omit<RolloutReplica, "isHeld" | "isUnknown"> {
  return {
    id: replica.id,
    version: replica.version,
    node: replica.node,
    desired: replica.desired,
    isReady: isReady(replica),
    isServing: isServing(state, replica, now),
    isFailing: isFailing(replica),
    failedStarts: replica.report?.failedStarts ?? 0,
    reason: replica.report?.reason ?? "",
    isUnlisted: isSettled(state, replica.unlisted, now),
    createdAt: replica.createdAt,
  };
}

function wouldFitWithout(state: ClusterState, pending: ReplicaId, other: ReplicaId): boolean {
  const replica = state.replicas.get(pending);
  if (replica === undefined) return false;
  const replicas = new Map(state.replicas);
  replicas.delete(other);
  return place({ ...state, replicas }, replica).kind === "bind";
}

/** Whether the target release serves fully: enough of every deployment, and no router knows an outdated replica. */
function isWhole(plan: Plan, application: ApplicationRecord, wanted: readonly Wanted[]): boolean {
  if (application.failure !== undefined || application.stable === application.target) return false;
  if (effectiveRelease(application) === undefined) return false;
  return wanted.every(({ deployment, version, target: count }) => {
    if (version === undefined) return true;
    const isOutdatedListed = replicasOf(plan.state, deployment).some(
      (replica) => replica.version !== version && (replica.desired === "run" || replica.desired === "leave"),
    );
    return servingCount(plan, deployment, version) >= count && !isOutdatedListed;
  });
}

/** Replicas of applications that the desired state does not have at all, once their workers have had time to report. */
function dropUnknown(plan: Plan): void {
  const { state, now } = plan;
  for (const replica of state.replicas.values()) {
    if (state.applications.has(splitDeploymentId(replica.deployment).application)) continue;
    if (isHeld(state, replica, now)) continue;
    if (replica.desired === "run") {
      plan.add({ kind: isReady(replica) ? "leave" : "stop", replica: replica.id, reason: "unknown" });
    } else if (replica.desired === "leave" && isSettled(state, replica.unlisted, now)) {
      plan.add({ kind: "stop", replica: replica.id, reason: "unknown" });
    }
  }
}

function placePending(plan: Plan): void {
  const waiting = [...plan.state.replicas.values()]
    .filter(({ node, desired }) => node === undefined && desired === "run")
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  for (const replica of waiting) {
    const placement = place(plan.state, replica);
    if (placement.kind === "bind") plan.add({ ...placement, replica: replica.id });
    else if (!isSamePending(replica, placement.pending)) {
      plan.add({ kind: "pend", replica: replica.id, pending: placement.pending, reason: "nothingFits" });
    }
  }
}

function isSamePending({ pending }: ReplicaRecord, next: NonNullable<ReplicaRecord["pending"]>): boolean {
  return (
    pending?.reason === next.reason &&
    pending.nodes.length === next.nodes.length &&
    pending.nodes.every((node, i) => node.node === next.nodes[i]?.node && node.reason === next.nodes[i]?.reason)
  );
}

function replicasOfApplication(state: ClusterState, name: ApplicationName): readonly ReplicaRecord[] {
  return [...state.replicas.values()].filter(({ deployment }) => splitDeploymentId(deployment).application === name);
}
