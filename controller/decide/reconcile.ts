import { type DeploymentId, splitDeploymentId } from "../../core/ids.ts";
import type { Random } from "../../core/random.ts";
import type { Action } from "./action.ts";
import {
  type ClusterState,
  indexOf,
  isReady,
  isSettled,
  type Pending,
  releaseWith,
  type ReplicaRecord,
  replicasOf,
} from "./cluster.ts";
import { drainNode } from "./drain-node.ts";
import { nodeLease } from "./node-lease.ts";
import { Placer } from "./place.ts";
import { type PlaceNeed, placeOrder } from "./place-order.ts";
import { Plan } from "./plan.ts";
import { recovery } from "./recovery.ts";
import { replace } from "./replace.ts";
import { rollApplication } from "./roll-application.ts";
import { isHeld } from "./rollout-view.ts";

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
  leaveDraining(plan);
  const targeted = Map.groupBy(plan.state.targets.keys(), (id) => splitDeploymentId(id).application);
  for (const name of [...plan.state.applications.keys()]) rollApplication(plan, name, targeted.get(name) ?? []);
  dropUnknown(plan);
  placePending(plan);
  return plan.actions;
}

function leases(plan: Plan): void {
  for (const node of plan.state.nodes.values()) {
    const lease = nodeLease({ ...node, isDraining: plan.state.drains.has(node.id) }, plan.now);
    if (lease.state === "forgotten") plan.add({ kind: "forgetNode", node: node.id, reason: "lostForLong" });
    else if (lease.state !== node.state) {
      plan.add({ kind: "markNode", node: node.id, state: lease.state, reason: lease.reason });
    }
  }
}

function replaceLost(plan: Plan): void {
  const stable = stableDeployments(plan.state);
  for (const replica of plan.state.replicas.values()) {
    if (replica.node === undefined) continue;
    const node = plan.state.nodes.get(replica.node);
    const isStable = stable.has(replica.deployment);
    const isNodeLost = node === undefined || node.state === "lost";
    const { deployment, version, desired } = replica;
    // Looked up only where it matters.
    const isDescribed = desired !== "drain" || releaseWith(plan.state, deployment, version) !== undefined;
    const step = replace({ replica, isNodeLost, isStable, isDescribed }, plan.now);
    if (step.kind !== "keep") plan.add({ ...step, replica: replica.id });
  }
}

/** What was not replaced in its time leaves a draining node all the same. */
function leaveDraining(plan: Plan): void {
  if (plan.state.drains.size === 0) return;
  for (const replica of plan.state.replicas.values()) {
    const drain = replica.node === undefined ? undefined : plan.state.drains.get(replica.node);
    if (drain === undefined) continue;
    const options = releaseWith(plan.state, replica.deployment, replica.version)?.spec.options;
    const gracefulMs = options?.gracefulShutdownTimeoutMs ?? 0;
    const step = drainNode({ drain, desired: replica.desired, isReady: isReady(replica), gracefulMs }, plan.now);
    if (step.kind !== "stay") plan.add({ ...step, replica: replica.id });
  }
}

/** Those that have replicas, of applications whose newest release served. */
function stableDeployments(state: ClusterState): ReadonlySet<DeploymentId> {
  const index = indexOf(state);
  return new Set(
    [...state.applications.values()]
      .filter(({ stable, target: wanted }) => stable === wanted)
      .flatMap(({ name }) => [...index.ofApplication(name).values()].map(({ deployment }) => deployment)),
  );
}

/** Replicas of applications that the desired state does not have at all, once their workers have had time to report. */
function dropUnknown(plan: Plan): void {
  const index = indexOf(plan.state);
  for (const name of [...index.applications()]) {
    if (plan.state.applications.has(name)) continue;
    for (const replica of [...index.ofApplication(name).values()]) dropUnknownReplica(plan, replica);
  }
}

function dropUnknownReplica(plan: Plan, replica: ReplicaRecord): void {
  const { state, now } = plan;
  if (isHeld(state, replica, now)) return;
  if (replica.desired === "run") {
    plan.add({ kind: isReady(replica) ? "leave" : "stop", replica: replica.id, reason: "unknown" });
  } else if (replica.desired === "leave" && isSettled(state, replica.unlisted, now)) {
    plan.add({ kind: "stop", replica: replica.id, reason: "unknown" });
  }
}

function placePending(plan: Plan): void {
  const waiting = [...plan.state.replicas.values()].filter(
    ({ node, desired }) => node === undefined && desired === "run",
  );
  if (waiting.length === 0) return;
  const placer = new Placer(plan.state);
  const { state } = plan;
  /** What a replica waits for, and what it waited for before in the same words. */
  const told = new Map<Pending, Pending>();
  for (const replica of placeOrder(waiting, (deployment) => needOf(state, deployment))) {
    const placement = placer.place(replica);
    if (placement.kind === "bind") {
      plan.add({ ...placement, replica: replica.id });
      placer.bound(plan.state, replica, placement.node);
      continue;
    }
    // Thousands may wait for the same, with a reason for each of a thousand nodes; they are compared once.
    const { pending } = placement;
    if (replica.pending !== undefined && told.get(pending) === replica.pending) continue;
    if (isSamePending(replica.pending, pending)) told.set(pending, replica.pending);
    else plan.add({ kind: "pend", replica: replica.id, pending, reason: "nothingFits" });
  }
}

function needOf(state: ClusterState, deployment: DeploymentId): PlaceNeed {
  const target = state.targets.get(deployment)?.target ?? 0;
  const running = replicasOf(state, deployment).filter(({ node, desired }) => node !== undefined && desired === "run");
  const autoscaling = releaseWith(state, deployment)?.spec.options.autoscaling;
  return { placed: running.length, target, least: autoscaling?.minReplicas ?? target };
}

function isSamePending(before: Pending | undefined, pending: Pending): before is Pending {
  if (before === pending) return true;
  return (
    before?.reason === pending.reason &&
    before.nodes.length === pending.nodes.length &&
    before.nodes.every((node, i) => node.node === pending.nodes[i]?.node && node.reason === pending.nodes[i]?.reason)
  );
}
