import type { AssignedReplica, Assignment } from "../../core/assignment.ts";
import { type NodeId, type ReplicaId, splitDeploymentId } from "../../core/ids.ts";
import { isSameData } from "../../core/same-data.ts";
import type { DeploymentOptionsSpec, EnvValue } from "../../core/spec.ts";
import {
  type ClusterState,
  indexOf,
  type NodeDrain,
  type Release,
  releaseWith,
  type ReplicaRecord,
} from "../decide/cluster.ts";
import { drainTimeMs } from "../decide/drain-node.ts";
import type { ReplicaGroup } from "../decide/replica-index.ts";

/**
 * What a node is to run, as it follows from a state. undefined: nothing may be said yet, because the node runs something
 * that no kept release describes and that must not be stopped so soon after the controller's start.
 */
export function assignedReplicas(state: ClusterState, node: NodeId): readonly AssignedReplica[] | undefined {
  const assigned: AssignedReplica[] = [];
  for (const replica of indexOf(state).ofNode(node).values()) {
    if (replica.desired === "stop") continue;
    const one = assignedReplica(state, replica);
    if (one === undefined) return undefined;
    assigned.push(one);
  }
  return assigned;
}

/** Made once for a record, a release and a drain, none of which changes: most nodes' assignments stay as they are. */
const knownAssigned = new WeakMap<
  ReplicaRecord,
  { readonly assigned: AssignedReplica; readonly release: Release; readonly drain: NodeDrain | undefined }
>();

function assignedReplica(state: ClusterState, replica: ReplicaRecord): AssignedReplica | undefined {
  const found = releaseWith(state, replica.deployment, replica.version);
  if (found === undefined) return undefined;
  const { release, spec } = found;
  const drain = replica.node === undefined ? undefined : state.drains.get(replica.node);
  const known = knownAssigned.get(replica);
  if (known?.release === release && known.drain === drain) return known.assigned;
  const assigned: AssignedReplica = {
    id: replica.id,
    deployment: replica.deployment,
    version: replica.version,
    desired: replica.desired === "drain" ? "drain" : "run",
    launch: {
      ...splitDeploymentId(replica.deployment),
      bundle: release.spec.bundle,
      nativePackages: release.spec.nativePackages,
      options: replica.desired === "drain" ? drainedWith(spec.options, replica, drain) : spec.options,
      secrets: secretsFor(spec.options.env, release.secrets),
      gpus: replica.gpus,
    },
  };
  knownAssigned.set(replica, { assigned, release, drain });
  return assigned;
}

/** A worker gives a replica that drains the time its options say: less where its node is to be empty before that. */
function drainedWith(
  options: DeploymentOptionsSpec,
  { drainingAt }: ReplicaRecord,
  drain: NodeDrain | undefined,
): DeploymentOptionsSpec {
  const gracefulMs = options.gracefulShutdownTimeoutMs;
  const gracefulShutdownTimeoutMs = drainTimeMs(drain, drainingAt, gracefulMs);
  return gracefulShutdownTimeoutMs === gracefulMs ? options : { ...options, gracefulShutdownTimeoutMs };
}

/** Only those a deployment refers to: a replica has no business with its neighbours' secrets. */
function secretsFor(
  env: Readonly<Record<string, EnvValue>>,
  secrets: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const chosen: Record<string, string> = {};
  for (const value of Object.values(env)) {
    if (typeof value === "string") continue;
    const secret = Object.hasOwn(secrets, value.secret) ? secrets[value.secret] : undefined;
    if (secret !== undefined) chosen[value.secret] = secret;
  }
  return chosen;
}

/** What an assignment follows from: parts of a state, and the node's group of replicas, none of which ever changes. */
type Source = Pick<ClusterState, "applications" | "drains"> & { readonly replicas: ReplicaGroup<ReplicaRecord> };

type Sent = {
  /** undefined: nothing since its worker connected. */
  readonly replicas: readonly AssignedReplica[] | undefined;
  readonly isDrained: boolean;
  readonly generation: number;
  /** What it was made from; the same parts make the same assignment. */
  readonly from: Source | undefined;
  /** All that its worker was told to run since it connected. */
  readonly told: ReadonlySet<ReplicaId>;
};

function isSameSource(one: Source, other: Source): boolean {
  return one.replicas === other.replicas && one.applications === other.applications && one.drains === other.drains;
}

const NOBODY: ReadonlySet<ReplicaId> = new Set();

/** Remembers what each node was told last, so that only changes are sent and generations only grow. */
export class AssignmentSender {
  readonly #epoch: number;
  readonly #sent = new Map<NodeId, Sent>();
  /** The highest generation of a node that was dropped: if it comes back, it obeys none below its own. */
  #dropped = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** What to send to a node now; undefined: nothing new. */
  next(state: ClusterState, node: NodeId): Assignment | undefined {
    const last = this.#sent.get(node);
    const { applications, drains } = state;
    const from: Source = { applications, drains, replicas: indexOf(state).ofNode(node) };
    if (last?.from !== undefined && isSameSource(last.from, from)) return undefined;
    const replicas = assignedReplicas(state, node);
    if (replicas === undefined) return undefined;
    const isDrained = drains.has(node) && from.replicas.size === 0;
    const isNew = last?.replicas === undefined || last.isDrained !== isDrained || !isSameData(last.replicas, replicas);
    const generation = (last?.generation ?? this.#dropped) + (isNew ? 1 : 0);
    const told = isNew ? toldAlso(last?.told ?? NOBODY, replicas, state) : (last?.told ?? NOBODY);
    this.#sent.set(node, { replicas, isDrained, generation, from, told });
    if (!isNew) return undefined;
    return { epoch: this.#epoch, generation, replicas, ...(isDrained ? { isDrained } : {}) };
  }

  /** The node's worker has a new stream: it is told everything again. */
  forget(node: NodeId): void {
    const last = this.#sent.get(node);
    if (last === undefined) return;
    const { isDrained, generation } = last;
    this.#sent.set(node, { replicas: undefined, isDrained, generation, from: undefined, told: NOBODY });
  }

  /** The node is not waited for any more. */
  drop(node: NodeId): void {
    this.#dropped = Math.max(this.#dropped, this.#sent.get(node)?.generation ?? 0);
    this.#sent.delete(node);
  }

  /**
   * Replicas that are to stop on a node whose worker was never told of them, because they were wanted only while it was
   * not connected. It will never say that they are gone, so they count as gone.
   */
  untold(state: ClusterState, node: NodeId): readonly ReplicaId[] {
    const told = this.#sent.get(node)?.told ?? NOBODY;
    const isUntold = (replica: ReplicaRecord): boolean =>
      replica.desired === "stop" && replica.report === undefined && !told.has(replica.id);
    return [...indexOf(state).ofNode(node).values()].filter(isUntold).map(({ id }) => id);
  }
}

/** Those told before that are not gone, and the new ones. */
function toldAlso(
  before: ReadonlySet<ReplicaId>,
  replicas: readonly AssignedReplica[],
  state: ClusterState,
): ReadonlySet<ReplicaId> {
  return new Set([...[...before].filter((id) => state.replicas.has(id)), ...replicas.map(({ id }) => id)]);
}
