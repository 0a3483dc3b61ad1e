import type { AssignedReplica, Assignment } from "../../core/assignment.ts";
import { type NodeId, type ReplicaId, splitDeploymentId } from "../../core/ids.ts";
import type { EnvValue } from "../../core/spec.ts";
import { type ClusterState, releaseWith, type ReplicaRecord } from "../decide/cluster.ts";

/**
 * What a node is to run, as it follows from a state. undefined: nothing may be said yet, because the node runs something
 * that no kept release describes and that must not be stopped so soon after the controller's start.
 */
export function assignedReplicas(state: ClusterState, node: NodeId): readonly AssignedReplica[] | undefined {
  const assigned: AssignedReplica[] = [];
  for (const replica of state.replicas.values()) {
    if (replica.node !== node || replica.desired === "stop") continue;
    const one = assignedReplica(state, replica);
    if (one === undefined) return undefined;
    assigned.push(one);
  }
  return assigned;
}

function assignedReplica(state: ClusterState, replica: ReplicaRecord): AssignedReplica | undefined {
  const found = releaseWith(state, replica.deployment, replica.version);
  if (found === undefined) return undefined;
  const { release, spec } = found;
  return {
    id: replica.id,
    deployment: replica.deployment,
    version: replica.version,
    desired: replica.desired === "drain" ? "drain" : "run",
    launch: {
      ...splitDeploymentId(replica.deployment),
      bundle: release.spec.bundle,
      nativePackages: release.spec.nativePackages,
      options: spec.options,
      secrets: secretsFor(spec.options.env, release.secrets),
      gpus: replica.gpus,
    },
  };
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

type Sent = {
  readonly text: string;
  readonly generation: number;
  /** What it was made from; the same parts make the same assignment. */
  readonly from: Pick<ClusterState, "applications" | "replicas"> | undefined;
  /** All that its worker was told to run since it connected. */
  readonly told: ReadonlySet<ReplicaId>;
};

const NOBODY: ReadonlySet<ReplicaId> = new Set();

/** Remembers what each node was told last, so that only changes are sent and generations only grow. */
export class AssignmentSender {
  readonly #epoch: number;
  readonly #sent = new Map<NodeId, Sent>();

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** What to send to a node now; undefined: nothing new. */
  next(state: ClusterState, node: NodeId): Assignment | undefined {
    const last = this.#sent.get(node);
    if (last?.from?.replicas === state.replicas && last.from.applications === state.applications) return undefined;
    const replicas = assignedReplicas(state, node);
    if (replicas === undefined) return undefined;
    const from = { applications: state.applications, replicas: state.replicas };
    const text = JSON.stringify(replicas);
    const isNew = last?.text !== text;
    const generation = (last?.generation ?? 0) + (isNew ? 1 : 0);
    const told = isNew ? toldAlso(last?.told ?? NOBODY, replicas, state) : (last?.told ?? NOBODY);
    this.#sent.set(node, { text, generation, from, told });
    if (!isNew) return undefined;
    return { epoch: this.#epoch, generation, replicas };
  }

  /** The node's worker has a new stream: it is told everything again. */
  forget(node: NodeId): void {
    const last = this.#sent.get(node);
    if (last === undefined) return;
    this.#sent.set(node, { text: "", generation: last.generation, from: undefined, told: NOBODY });
  }

  /**
   * Replicas that are to stop on a node whose worker was never told of them, because they were wanted only while it was
   * not connected. It will never say that they are gone, so they count as gone.
   */
  untold(state: ClusterState, node: NodeId): readonly ReplicaId[] {
    const told = this.#sent.get(node)?.told ?? NOBODY;
    const isUntold = (replica: ReplicaRecord): boolean =>
      replica.node === node && replica.desired === "stop" && replica.report === undefined && !told.has(replica.id);
    return [...state.replicas.values()].filter(isUntold).map(({ id }) => id);
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
