import type { ApplicationName, NodeId } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { type Action, applicationOf, isStored, type StoredAction, subjectOf } from "../decide/action.ts";
import { applicationAfter } from "../decide/apply-action.ts";
import type { ClusterState } from "../decide/cluster.ts";
import type { ClusterEvent } from "../state/cluster-state.ts";
import type { DesiredState } from "../state/desired-state.ts";
import type { DecisionLog } from "./decision-log.ts";
import type { WorkerStreams } from "./worker-streams.ts";

/** What an executor works with. */
export type ExecutorDeps = {
  readonly log: Logger;
  readonly desired: DesiredState;
  readonly streams: WorkerStreams;
  readonly decisions: DecisionLog;
  /** A replica is to run its `verify`; what comes of it becomes an event. */
  readonly onAskVerify: (action: Extract<Action, { kind: "askVerify" }>) => void;
  /** A node is taken for gone, with all that it last told. */
  readonly onNodeLost: (node: NodeId) => void;
  /** A node is not waited for any more. */
  readonly onNodeForgotten: (node: NodeId) => void;
  /** The state as it is now. */
  readonly current: () => ClusterState;
  /** Runs a change of what is stored once the one before it has ended, deploys included. */
  readonly change: <T>(change: () => Promise<T>) => Promise<T>;
};

/**
 * Performs decided actions, in order. Most only change what is wanted, and take effect through the table and the
 * assignments that follow from the state; some must be in the store first. One that fails leaves no event: the next
 * tick decides again. What the plan takes from the same application afterwards is left to that tick too, because it was
 * decided in the belief that what is stored had changed: old replicas must not leave where the new ones get no share.
 */
export class Executor {
  readonly #deps: ExecutorDeps;

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
  }

  /** Performs the actions; calls back with what happened as soon as it has. Resolves with how many took effect. */
  async perform(
    actions: readonly Action[],
    state: ClusterState,
    onEvent: (event: ClusterEvent) => void,
  ): Promise<number> {
    const done: Action[] = [];
    const leftOut = new LeftOut(state);
    for (const action of actions) {
      if (leftOut.has(action)) continue;
      try {
        const isDone = isStored(action) ? await this.#store(action, onEvent) : this.#perform(action, onEvent);
        if (isDone) {
          done.push(action);
          this.#tell(action);
        } else {
          leftOut.add(action);
        }
      } catch (thrown) {
        const fields = { err: thrown, action: action.kind, subject: subjectOf(action), reason: action.reason };
        this.#deps.log.error(fields, "an action failed; it is decided again");
        leftOut.add(action);
      }
    }
    // At the end, because a look at the state between two actions would cost a copy of it.
    const after = this.#deps.current();
    for (const action of done) this.#deps.decisions.add(action, state, after);
    return done.length;
  }

  #perform(action: Action, onEvent: (event: ClusterEvent) => void): boolean {
    if (action.kind === "markNode" && action.state === "lost") {
      // Its worker must register again before it counts, so a stream that is still open is of no use.
      this.#deps.streams.close(action.node, "the node was silent for too long; register again");
      // That it is being emptied holds for when it comes back.
      const drain = this.#deps.current().drains.get(action.node);
      if (drain === undefined || drain.isOwn === true) this.#forgetNode(action.node);
      this.#deps.onNodeLost(action.node);
    }
    if (action.kind === "recover") {
      // Whoever did not come back is not waited for at the next start; it is stored again when it registers.
      const { expectedNodes, nodes } = this.#deps.current();
      for (const node of expectedNodes) if (!nodes.has(node)) this.#forgetNode(node);
    }
    if (action.kind === "forgetNode") {
      this.#forgetNode(action.node);
      this.#deps.onNodeForgotten(action.node);
    }
    if (action.kind === "setTarget") this.#rememberCount(action);
    onEvent({ kind: "acted", action });
    if (action.kind === "askVerify") this.#deps.onAskVerify(action);
    return true;
  }

  /** So that a controller after this one goes on from there. */
  #rememberCount({ deployment, target, signals, reason }: Extract<Action, { kind: "setTarget" }>): void {
    if (signals === undefined && reason !== "gone") return;
    const count = reason === "gone" ? undefined : target;
    this.#deps.desired.putCount(deployment, count).catch((err: unknown) => {
      this.#deps.log.warn({ err, deployment }, "a count could not be stored; a controller after this one begins anew");
    });
  }

  #forgetNode(node: NodeId): void {
    this.#deps.desired.deleteNode(node).catch((err: unknown) => {
      this.#deps.log.warn({ err, node }, "a lost node could not be taken out of the store");
    });
  }

  /**
   * Stores what follows from the newest record, not from the one it was decided on: a deploy that came between would be
   * overwritten. False when the action no longer fits.
   */
  #store(action: StoredAction, onEvent: (event: ClusterEvent) => void): Promise<boolean> {
    const { desired, current, change } = this.#deps;
    return change(async () => {
      const application = current().applications.get(action.application);
      if (application === undefined) return false;
      const changed = applicationAfter(application, action);
      if (changed === application) return false;
      if (changed === undefined) {
        await desired.deleteApplication(application.name);
        onEvent({ kind: "applicationRemoved", name: application.name });
      } else {
        await desired.putApplication(changed);
        onEvent({ kind: "applicationStored", application: changed });
      }
      return true;
    });
  }

  #tell(action: Action): void {
    const { kind, ...fields } = action;
    const isBad = kind === "giveUp" || (kind === "markNode" && action.state !== "live");
    this.#deps.log[isBad ? "warn" : "info"](fields, `decided: ${kind} ${subjectOf(action)} (${action.reason})`);
  }
}

/** What is left out of a plan since stored actions of it did not take effect. */
class LeftOut {
  readonly #state: ClusterState;
  readonly #applications = new Set<ApplicationName>();

  constructor(state: ClusterState) {
    this.#state = state;
  }

  /** An action did not take effect: from here on nothing is taken from its application. */
  add(action: Action): void {
    if (isStored(action)) this.#applications.add(action.application);
  }

  /** Whether an action is left out. Never those about nodes. */
  has(action: Action): boolean {
    if (this.#applications.size === 0) return false;
    // Replicas that are missing are missing either way, and a disk may stay full for hours.
    if (action.kind === "create" || action.kind === "bind" || action.kind === "pend") return false;
    const application = applicationOf(action, (replica) => this.#state.replicas.get(replica)?.deployment);
    return application !== undefined && this.#applications.has(application);
  }
}
