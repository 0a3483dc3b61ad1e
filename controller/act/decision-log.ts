import type { Clock } from "../../core/clock.ts";
import { type DeploymentId, deploymentId } from "../../core/ids.ts";
import { type Action, subjectOf } from "../decide/action.ts";
import type { ClusterState } from "../decide/cluster.ts";

/** Decisions kept of each deployment. */
const KEPT = 50;

/** One decision, as `serve explain` shows it. */
export type DecisionView = {
  /** ISO 8601. */
  readonly at: string;
  readonly action: string;
  readonly subject: string;
  readonly reason: string;
  /** What it came from: for a count that was decided, the replicas that each signal asked for. */
  readonly inputs?: Readonly<Record<string, number>> | undefined;
};

/** The last decisions about each deployment, so that a person can see why things are as they are. */
export class DecisionLog {
  readonly #clock: Clock;
  readonly #decisions = new Map<DeploymentId, DecisionView[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Remembers an action that was performed, between these two states. */
  add(action: Action, before: ClusterState, after: ClusterState): void {
    const view = {
      // oxlint-disable-next-line no-restricted-globals -- Date only formats here; the time is the clock's.
      at: new Date(this.#clock.wallTime()).toISOString(),
      action: action.kind,
      subject: subjectOf(action),
      reason: action.kind === "giveUp" ? `${action.reason}: ${action.cause}` : reasonOf(action),
      inputs: action.kind === "setTarget" ? inputsOf(action, before) : undefined,
    };
    for (const deployment of about(action, before, after)) {
      const decisions = this.#decisions.get(deployment) ?? [];
      decisions.push(view);
      if (decisions.length > KEPT) decisions.shift();
      this.#decisions.set(deployment, decisions);
    }
    if (action.kind === "dropApplication") this.#drop(action.application);
  }

  /** Oldest first. */
  of(deployment: DeploymentId): readonly DecisionView[] {
    return this.#decisions.get(deployment) ?? [];
  }

  #drop(application: string): void {
    for (const id of this.#decisions.keys()) if (id.startsWith(`${application}/`)) this.#decisions.delete(id);
  }
}

function inputsOf(
  { deployment, target, signals }: Extract<Action, { kind: "setTarget" }>,
  before: ClusterState,
): Readonly<Record<string, number>> {
  const known = { before: before.targets.get(deployment)?.target ?? 0, target };
  if (signals === undefined) return known;
  const round = (count: number): number => Math.round(count * 100) / 100;
  const { ongoing, busy, wait, metric } = signals;
  return { ...known, ongoing: round(ongoing), busy: round(busy), wait: round(wait), metric: round(metric) };
}

function reasonOf(action: Action): string {
  return action.kind === "pend" ? action.pending.reason : action.reason;
}

function about(action: Action, before: ClusterState, after: ClusterState): readonly DeploymentId[] {
  if ("deployment" in action) return [action.deployment];
  if ("replica" in action) {
    const replica = before.replicas.get(action.replica) ?? after.replicas.get(action.replica);
    return replica === undefined ? [] : [replica.deployment];
  }
  if (action.kind === "promote") {
    const application = before.applications.get(action.application);
    const release = application?.releases.find(({ generation }) => generation === action.generation);
    return (release?.spec.deployments ?? []).map(({ name }) => deploymentId(action.application, name));
  }
  return [];
}
