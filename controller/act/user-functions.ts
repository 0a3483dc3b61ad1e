/**
 * Has replicas run the functions that users gave the control plane: `verify` when a rollout asks for it, `policy` once a
 * second of every deployment that has one. They run in replicas' processes; here only their answers become events. A
 * function that fails leaves everything as it is: `verify` refuses its version, `policy` keeps its last answer.
 */
import type { Clock } from "../../core/clock.ts";
import type { DeploymentId, ReplicaId } from "../../core/ids.ts";
import { POLICY_FAILURES_PER_REPLICA, POLICY_PERIOD_MS, VERIFY_AGAIN_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { PolicyFigures } from "../../core/question.ts";
import type { AutoscalingSpec, DeploymentSpec } from "../../core/spec.ts";
import type { Action } from "../decide/action.ts";
import {
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isReady,
  type ReplicaRecord,
  replicasOf,
} from "../decide/cluster.ts";
import { meanOf } from "../decide/load-history.ts";
import { hasShare } from "../decide/loads.ts";
import type { Verification } from "../decide/rollout-stage.ts";
import type { ClusterEvent } from "../state/cluster-state.ts";
import type { Asks } from "./asks.ts";

/** What a policy is told of is the mean of so long. */
const POLICY_WINDOW_MS = 3_000;

/** What {@link UserFunctions} works with. */
export type UserFunctionsDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly asks: Asks;
  /** The state as it is now. */
  readonly current: () => ClusterState;
  readonly onEvent: (event: ClusterEvent) => void;
};

/** The users' functions of a cluster. */
export class UserFunctions {
  readonly #deps: UserFunctionsDeps;
  readonly #askedAt = new Map<DeploymentId, number>();
  readonly #open = new Set<DeploymentId>();
  /** Which replica was asked for the policy last, and how often it has failed since it last answered. */
  readonly #last = new Map<DeploymentId, { readonly replica: ReplicaId; readonly failedCount: number }>();

  constructor(deps: UserFunctionsDeps) {
    this.#deps = deps;
  }

  /**
   * Has a replica verify its version. What comes of it becomes an event; nothing when the replica is gone meanwhile, and
   * that only after a pause, because the next is asked at once.
   */
  verify({ deployment, askedOf, from, to, timeoutMs }: Extract<Action, { kind: "askVerify" }>): void {
    const { asks, current, onEvent, log, clock } = this.#deps;
    const node = current().replicas.get(askedOf)?.node;
    const told = (outcome: Verification | undefined): void => {
      log.info({ deployment, version: to, outcome: outcome?.kind ?? "gone" }, "verify ended");
      onEvent({ kind: "verified", deployment, version: to, outcome });
    };
    const gone = (): void => void clock.after(VERIFY_AGAIN_MS, () => told(undefined));
    if (node === undefined) {
      gone();
      return;
    }
    const question = { kind: "verify", oldVersion: from, newVersion: to, timeoutMs } as const;
    void asks.ask(askedOf, node, question).then((answer) => {
      if (answer.kind === "verify") told({ kind: "passed", scores: answer.scores });
      else if (answer.kind === "failed" && answer.isGone === true) gone();
      else told({ kind: "refused", cause: answer.kind === "failed" ? answer.reason : "it answered something else" });
    });
  }

  /** Asks the policies that have not been asked for a while. Called with every tick. */
  askPolicies(): void {
    const { current, clock } = this.#deps;
    const state = current();
    const now = clock.now();
    const wanted = new Set<DeploymentId>();
    for (const application of state.applications.values()) {
      const release = effectiveRelease(application);
      if (release === undefined || application.isDeleting) continue;
      for (const { id, spec } of deploymentsOf(release)) {
        const { autoscaling } = spec.options;
        if (autoscaling?.hasPolicy !== true) continue;
        wanted.add(id);
        if (this.#open.has(id)) continue;
        if (now - (this.#askedAt.get(id) ?? Number.NEGATIVE_INFINITY) < POLICY_PERIOD_MS) continue;
        this.#askedAt.set(id, now);
        this.#askPolicy(state, { id, spec, autoscaling }, now);
      }
    }
    for (const id of this.#askedAt.keys()) {
      if (wanted.has(id)) continue;
      this.#askedAt.delete(id);
      this.#last.delete(id);
    }
  }

  #askPolicy(
    state: ClusterState,
    { id, spec, autoscaling }: { id: DeploymentId; spec: DeploymentSpec; autoscaling: AutoscalingSpec },
    now: number,
  ): void {
    const { asks, onEvent, log } = this.#deps;
    const isReachable = ({ node }: ReplicaRecord): boolean =>
      node !== undefined && state.nodes.get(node)?.isConnected === true;
    const canAnswer = (replica: ReplicaRecord): boolean =>
      replica.version === spec.version && isReady(replica) && replica.desired === "run" && isReachable(replica);
    const asked = this.#replicaToAsk(id, replicasOf(state, id).filter(canAnswer));
    if (asked?.node === undefined) return;
    this.#open.add(id);
    const input = figures(state, { id, autoscaling }, now);
    void asks.ask(asked.id, asked.node, { kind: "policy", input }).then((answer) => {
      this.#open.delete(id);
      if (answer.kind === "policy") {
        this.#last.set(id, { replica: asked.id, failedCount: 0 });
        onEvent({ kind: "policyAnswered", deployment: id, target: answer.target, problem: "", askedAt: now });
        return;
      }
      const before = this.#last.get(id);
      const failedCount = before?.replica === asked.id ? before.failedCount + 1 : 1;
      this.#last.set(id, { replica: asked.id, failedCount });
      const problem = answer.kind === "failed" ? answer.reason : "it answered something else";
      log.warn({ deployment: id, problem }, "a scaling policy failed; the count stays");
      onEvent({ kind: "policyAnswered", deployment: id, target: undefined, problem, askedAt: now });
    });
  }

  /**
   * The same as before, because what a policy remembers lives in its process; at first the oldest. Where it keeps failing the
   * next one is asked: a run that never ends must not keep the count as it is for good.
   */
  #replicaToAsk(id: DeploymentId, replicas: readonly ReplicaRecord[]): ReplicaRecord | undefined {
    const last = this.#last.get(id);
    const at = replicas.findIndex((replica) => replica.id === last?.replica);
    if (last === undefined || at < 0) return replicas[0];
    return replicas[last.failedCount < POLICY_FAILURES_PER_REPLICA ? at : (at + 1) % replicas.length];
  }
}

function figures(
  state: ClusterState,
  { id, autoscaling }: { readonly id: DeploymentId; readonly autoscaling: AutoscalingSpec },
  now: number,
): PolicyFigures {
  const history = state.loads.get(id);
  const mean = history === undefined ? undefined : meanOf(history, POLICY_WINDOW_MS, now);
  const isTaking = (replica: ReplicaRecord): boolean =>
    isReady(replica) && replica.desired === "run" && hasShare(state, replica);
  const ready = replicasOf(state, id).filter(isTaking).length;
  const { minReplicas, maxReplicas } = autoscaling;
  return {
    target: state.targets.get(id)?.target ?? 0,
    ready,
    ongoing: mean?.ongoing ?? 0,
    queued: mean?.queued ?? 0,
    arrivedPerSecond: mean?.arrivedPerSecond ?? 0,
    utilisation: mean === undefined || mean.ready === 0 ? 0 : mean.busy / mean.ready,
    minReplicas,
    maxReplicas,
    metric: state.metrics.get(id)?.value,
  };
}
