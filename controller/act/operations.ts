import type { Clock } from "../../core/clock.ts";
import { ChangeRefusedError, InvalidRequestError, NotFoundError } from "../../core/error.ts";
import { type ApplicationName, deploymentId, type NodeId } from "../../core/ids.ts";
import { LONGEST_NODE_DRAIN_MS, MOST_REPLICAS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import { type ApplicationRecord, type ClusterState, effectiveRelease, type NodeDrain } from "../decide/cluster.ts";
import type { DeployInput } from "../decide/deploy.ts";
import { FEWEST_VERSION_CHARACTERS, keptVersions, rollback } from "../decide/rollback.ts";
import { type RolloutCommand, rolloutCommand } from "../decide/rollout-command.ts";
import { scale } from "../decide/scale.ts";
import type { ClusterEvent } from "../state/cluster-state.ts";
import type { DesiredState, StoredDrain } from "../state/desired-state.ts";

/** What {@link Operations} works with. */
export type OperationsDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly desired: DesiredState;
  /** The state as it is now. */
  readonly current: () => ClusterState;
  /** Runs a change of what is stored once the one before it has ended. */
  readonly change: <T>(change: () => Promise<T>) => Promise<T>;
  readonly onEvent: (event: ClusterEvent) => void;
};

/** What a person changes by hand, apart from deploying and deleting: nodes in and out, counts, versions. */
export class Operations {
  readonly #deps: OperationsDeps;

  constructor(deps: OperationsDeps) {
    this.#deps = deps;
  }

  /**
   * Empties a node: what runs there is replaced elsewhere first. What cannot be is ended by the deadline. Asking again
   * sets a new deadline.
   *
   * @throws {NotFoundError} when there is no such node
   */
  drainNode(node: string, deadlineMs: number): Promise<StoredDrain> {
    if (!Number.isFinite(deadlineMs) || deadlineMs < 0 || deadlineMs > LONGEST_NODE_DRAIN_MS) {
      throw new InvalidRequestError(`deadlineMs must be a number from 0 to ${LONGEST_NODE_DRAIN_MS} (milliseconds)`);
    }
    const { clock, log, desired, change, onEvent } = this.#deps;
    return change(async () => {
      const id = this.#node(node);
      const beganAt = clock.now();
      const drain: NodeDrain = { beganAt, deadlineAt: beganAt + deadlineMs };
      const stored = storedDrain(drain, clock);
      await desired.putNode(id, stored);
      log.info({ node, deadlineMs }, "draining a node");
      onEvent({ kind: "nodeDrainChanged", node: id, drain });
      return stored;
    });
  }

  /**
   * Uses a node again.
   *
   * @throws {NotFoundError} when there is no such node
   */
  undrainNode(node: string): Promise<void> {
    const { log, desired, change, onEvent } = this.#deps;
    return change(async () => {
      const id = this.#node(node);
      await desired.putNode(id);
      log.info({ node }, "a node is used again");
      onEvent({ kind: "nodeDrainChanged", node: id, drain: undefined });
    });
  }

  /**
   * Sets how many replicas a deployment is to have, until a deploy names another `numReplicas`. With autoscaling it is
   * where autoscaling goes on from.
   *
   * @throws {InvalidRequestError} when the count is no count
   * @throws {NotFoundError} when there is no such deployment
   * @throws {ChangeRefusedError} when autoscaling would never go there, or the application is being deleted
   */
  scale(application: string, deployment: string, count: unknown): Promise<{ readonly isAutoscaled: boolean }> {
    if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > MOST_REPLICAS) {
      throw new InvalidRequestError(`replicas must be a whole number from 0 to ${MOST_REPLICAS}`);
    }
    const { log, desired, current, change, onEvent } = this.#deps;
    const id = `${application}/${deployment}`;
    return change(async () => {
      const known = current().applications.get(application as ApplicationName);
      const decision = scale(known, deployment, count);
      if (decision.kind === "refuse") throw refusedScale(decision, id);
      await desired.putApplication(decision.record);
      log.info({ deployment: id, count }, "scaled by hand");
      onEvent({ kind: "applicationStored", application: decision.record });
      const { deployment: scaled, isAutoscaled } = decision;
      if (isAutoscaled) {
        await desired.putCount(scaled, count);
        onEvent({ kind: "scaled", deployment: scaled, target: count });
      }
      return { isAutoscaled };
    });
  }

  /**
   * What deploying an earlier version again would deploy: the one that starts with `version`, else the one that served
   * before.
   *
   * @throws {NotFoundError} when there is no such application, or no such kept version; it lists those there are
   * @throws {ChangeRefusedError} when the application is being deleted
   * @throws {InvalidRequestError} when the version is too short, or means several
   */
  earlierRelease(name: string, version: string | undefined): DeployInput {
    const application = this.#deps.current().applications.get(name as ApplicationName);
    if (application === undefined) {
      throw new NotFoundError("deployment_not_found", `there is no application "${name}"; see \`serve status\``);
    }
    if (application.isDeleting) throw isDeleting(`application "${name}"`);
    const decision = rollback(application, version);
    if (decision.kind === "deploy") return decision.input;
    const kept = `kept are ${listed(application)}`;
    switch (decision.reason) {
      case "tooShort":
        throw new InvalidRequestError(`give at least ${FEWEST_VERSION_CHARACTERS} characters of a version; ${kept}`);
      case "severalVersions":
        throw new InvalidRequestError(`several versions of application "${name}" begin so; ${kept}`);
      case "noneBefore":
        throw new NotFoundError("version_not_found", `no version of application "${name}" served before; ${kept}`);
      case "unknownVersion":
        throw new NotFoundError("version_not_found", `application "${name}" has no such version; ${kept}`);
    }
  }

  /**
   * Takes in a value of the metric that a deployment scales by.
   *
   * @throws {InvalidRequestError} when it is no number of 0 or more, or the deployment scales by no metric
   * @throws {NotFoundError} when there is no such deployment
   */
  tellMetric(application: string, deployment: string, value: unknown): void {
    const known = this.#deps.current().applications.get(application as ApplicationName);
    const spec = known && effectiveRelease(known)?.spec.deployments.find(({ name }) => name === deployment);
    if (known === undefined || spec === undefined) {
      throw new NotFoundError(
        "deployment_not_found",
        `there is no deployment "${application}/${deployment}"; see \`serve status\``,
      );
    }
    if (spec.options.autoscaling?.metric === undefined) {
      throw new InvalidRequestError(
        `deployment "${application}/${deployment}" scales by no metric; name one in its option autoscaling.metric`,
      );
    }
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
      throw new InvalidRequestError("value must be a number of 0 or more");
    }
    this.#deps.onEvent({ kind: "metricTold", deployment: deploymentId(known.name, spec.name), value });
  }

  /**
   * Pauses, resumes, promotes or aborts what is being rolled out.
   *
   * @throws {NotFoundError} when there is no such application
   * @throws {ChangeRefusedError} when it is being deleted, nothing is being rolled out, or there is nothing to go back to
   */
  rollout(name: string, command: RolloutCommand): Promise<void> {
    const { log, desired, current, change, onEvent } = this.#deps;
    return change(async () => {
      const state = current();
      const decision = rolloutCommand(state, state.applications.get(name as ApplicationName), command);
      if (decision.kind === "refuse") throw refusedRollout(decision.reason, name);
      await desired.putApplication(decision.record);
      log.info({ application: name, command }, "a rollout was changed by hand");
      onEvent({ kind: "applicationStored", application: decision.record });
    });
  }

  /** A moment of the state as milliseconds since 1970. */
  wallTimeOf(at: number): number {
    return at + offsetMs(this.#deps.clock);
  }

  #node(name: string): NodeId {
    const { nodes, drains } = this.#deps.current();
    const id = name as NodeId;
    if (nodes.has(id) || drains.has(id)) return id;
    throw new NotFoundError("node_not_found", `there is no node "${name}"; see \`serve nodes\``);
  }
}

/** A draining as another controller can read it, whose monotonic clock is another one. */
export function storedDrain({ beganAt, deadlineAt }: NodeDrain, clock: Clock): StoredDrain {
  const offset = offsetMs(clock);
  return { beganAt: Math.round(beganAt + offset), deadlineAt: Math.round(deadlineAt + offset) };
}

/** The reverse of {@link storedDrain}, of all that were stored. */
export function liveDrains(stored: ReadonlyMap<NodeId, StoredDrain>, clock: Clock): ReadonlyMap<NodeId, NodeDrain> {
  const offset = offsetMs(clock);
  const live = [...stored].map(([node, { beganAt, deadlineAt }]): [NodeId, NodeDrain] => [
    node,
    { beganAt: beganAt - offset, deadlineAt: deadlineAt - offset },
  ]);
  return new Map(live);
}

function offsetMs(clock: Clock): number {
  return clock.wallTime() - clock.now();
}

function refusedScale(decision: Extract<ReturnType<typeof scale>, { kind: "refuse" }>, id: string): Error {
  switch (decision.reason) {
    case "unknown":
      return new NotFoundError("deployment_not_found", `there is no deployment "${id}"; see \`serve status\``);
    case "deleting":
      return isDeleting(`the application of deployment "${id}"`);
    case "outOfBounds":
      return new ChangeRefusedError(
        "replicas_out_of_bounds",
        `deployment "${id}" scales by itself from ${decision.min} (minReplicas) to ${decision.max} (maxReplicas); ` +
          "name a count in between, or deploy it with other bounds",
      );
  }
}

function refusedRollout(
  reason: Extract<ReturnType<typeof rolloutCommand>, { kind: "refuse" }>["reason"],
  name: string,
): Error {
  switch (reason) {
    case "unknown":
      return new NotFoundError("deployment_not_found", `there is no application "${name}"; see \`serve status\``);
    case "deleting":
      return isDeleting(`application "${name}"`);
    case "noRollout":
      return new ChangeRefusedError("no_rollout", `nothing of application "${name}" is being rolled out`);
    case "nothingBefore":
      return new ChangeRefusedError(
        "no_rollout",
        `application "${name}" has no version to go back to; delete it, or deploy another one`,
      );
  }
}

function isDeleting(what: string): ChangeRefusedError {
  return new ChangeRefusedError("application_deleting", `${what} is being deleted; deploy it again once it is gone`);
}

function listed(application: ApplicationRecord): string {
  return keptVersions(application)
    .map(({ version, isCurrent }) => (isCurrent ? `${version} (the current one)` : version))
    .join(", ");
}
