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

/** Replicas by one thing that they have in common. */
class Groups<K, R extends Indexed> {
  readonly #groups: Map<K, Map<ReplicaId, R>>;
  /** Groups that a copy has as its own; undefined: all are. */
  readonly #own: Set<K> | undefined;

  constructor(shared?: Map<K, Map<ReplicaId, R>>) {
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
    return this.#groups.get(key) ?? NOBODY;
  }

  put(key: K, replica: R): void {
    this.#ownGroup(key).set(replica.id, replica);
  }

  remove(key: K, id: ReplicaId): void {
    const group = this.#ownGroup(key);
    group.delete(id);
    if (group.size === 0) this.#groups.delete(key);
  }

  #ownGroup(key: K): Map<ReplicaId, R> {
    const known = this.#groups.get(key);
    if (known !== undefined && (this.#own === undefined || this.#own.has(key))) return known;
    const group = new Map(known);
    this.#groups.set(key, group);
    this.#own?.add(key);
    return group;
  }
}
