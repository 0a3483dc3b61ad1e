import {
  type ApplicationName,
  type DeploymentId,
  type NodeId,
  type ReplicaId,
  splitDeploymentId,
} from "../../core/ids.ts";

/** What replicas are found by. */
export type Indexed = {
  readonly id: ReplicaId;
  readonly deployment: DeploymentId;
  readonly node: NodeId | undefined;
  readonly createdAt: number;
};

/** Replicas that have something in common, by id, in the order in which they came to have it. */
export type ReplicaGroup<R> = ReadonlyMap<ReplicaId, R>;

/**
 * Finds replicas by application, by deployment and by node, so that a decision about one of a thousand deployments does
 * not look at ten thousand replicas. It is made from all of them once; from then on it follows those that change, and a
 * copy of it shares every group in which nothing did.
 */
export class ReplicaIndex<R extends Indexed> {
  readonly #byApplication: Groups<ApplicationName, R>;
  readonly #byDeployment: Groups<DeploymentId, R>;
  readonly #byNode: Groups<NodeId, R>;

  private constructor(
    byApplication: Groups<ApplicationName, R>,
    byDeployment: Groups<DeploymentId, R>,
    byNode: Groups<NodeId, R>,
  ) {
    this.#byApplication = byApplication;
    this.#byDeployment = byDeployment;
    this.#byNode = byNode;
  }

  /** An index of these. */
  static of<R extends Indexed>(replicas: Iterable<R>): ReplicaIndex<R> {
    const index = new ReplicaIndex<R>(new Groups(), new Groups(), new Groups());
    for (const replica of replicas) index.put(undefined, replica);
    return index;
  }

  /** One that may change while this one stays as it is. */
  copy(): ReplicaIndex<R> {
    return new ReplicaIndex(this.#byApplication.copy(), this.#byDeployment.copy(), this.#byNode.copy());
  }

  /** Names of the applications that have replicas. */
  applications(): Iterable<ApplicationName> {
    return this.#byApplication.keys();
  }

  ofApplication(name: ApplicationName): ReplicaGroup<R> {
    return this.#byApplication.of(name);
  }

  ofDeployment(id: DeploymentId): ReplicaGroup<R> {
    return this.#byDeployment.of(id);
  }

  ofNode(id: NodeId): ReplicaGroup<R> {
    return this.#byNode.of(id);
  }

  /** Those of a deployment, oldest first. Sorted once for as long as nothing of the deployment changes. */
  oldestFirst(id: DeploymentId): readonly R[] {
    return this.#byDeployment.oldestFirst(id);
  }

  /** A replica is there now, or is another than before; one changes its node, never its deployment. */
  put(before: R | undefined, replica: R): void {
    const { id, deployment, node } = replica;
    if (before?.node !== undefined && before.node !== node) this.#byNode.remove(before.node, id);
    this.#byApplication.put(splitDeploymentId(deployment).application, replica);
    this.#byDeployment.put(deployment, replica);
    if (node !== undefined) this.#byNode.put(node, replica);
  }

  /** A replica is gone. */
  remove({ id, deployment, node }: R): void {
    this.#byApplication.remove(splitDeploymentId(deployment).application, id);
    this.#byDeployment.remove(deployment, id);
    if (node !== undefined) this.#byNode.remove(node, id);
  }
}

const NOBODY: ReadonlyMap<never, never> = new Map<never, never>();

/** Members of a group; in order of age once somebody asked for that, until they change. */
type Group<R> = { readonly members: Map<ReplicaId, R>; oldestFirst: readonly R[] | undefined };

/** Replicas by one thing that they have in common. */
class Groups<K, R extends Indexed> {
  readonly #groups: Map<K, Group<R>>;
  /** Groups that a copy has as its own; undefined: all are. */
  readonly #own: Set<K> | undefined;

  constructor(shared?: Map<K, Group<R>>) {
    this.#groups = new Map(shared);
    this.#own = shared === undefined ? undefined : new Set();
  }

  copy(): Groups<K, R> {
    return new Groups(this.#groups);
  }

  keys(): Iterable<K> {
    return this.#groups.keys();
  }

  of(key: K): ReplicaGroup<R> {
    return this.#groups.get(key)?.members ?? NOBODY;
  }

  oldestFirst(key: K): readonly R[] {
    const group = this.#groups.get(key);
    if (group === undefined) return [];
    group.oldestFirst ??= [...group.members.values()].sort(byAge);
    return group.oldestFirst;
  }

  put(key: K, replica: R): void {
    this.#changing(key).set(replica.id, replica);
  }

  remove(key: K, id: ReplicaId): void {
    const members = this.#changing(key);
    members.delete(id);
    if (members.size === 0) this.#groups.delete(key);
  }

  /** Members of a group that is about to change, which no copy shares. */
  #changing(key: K): Map<ReplicaId, R> {
    const known = this.#groups.get(key);
    if (known !== undefined && (this.#own === undefined || this.#own.has(key))) {
      known.oldestFirst = undefined;
      return known.members;
    }
    const members = new Map(known?.members);
    this.#groups.set(key, { members, oldestFirst: undefined });
    this.#own?.add(key);
    return members;
  }
}

function byAge(a: Indexed, b: Indexed): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}
