import type { DeploymentId, NodeId, ReplicaId } from "../../core/ids.ts";
import {
  type ClusterState,
  copyIndex,
  forgetAcknowledged,
  knownIndexOf,
  type NodeRecord,
  type ReplicaRecord,
  type Target,
} from "./cluster.ts";

/**
 * A state in the making. Many changes in a row cost one copy of what they change, not one each: the first change of
 * replicas, nodes or targets copies the map, the next ones go into the copy, and `snapshot` hands it out for good. So
 * `state`, seen before that, changes with the draft; a snapshot never does.
 */
export class StateDraft {
  #state: ClusterState;
  #nodes: Map<NodeId, NodeRecord> | undefined;
  #replicas: Map<ReplicaId, ReplicaRecord> | undefined;
  #targets: Map<DeploymentId, Target> | undefined;

  constructor(state: ClusterState) {
    this.#state = state;
  }

  /** As it is now; good until the next change. */
  get state(): ClusterState {
    return this.#state;
  }

  /** As it is now, for ever. */
  snapshot(): ClusterState {
    this.#nodes = undefined;
    this.#replicas = undefined;
    this.#targets = undefined;
    return this.#state;
  }

  /** Changes any part of it at once. */
  change(change: Partial<ClusterState>): void {
    const state = { ...this.#state, ...change };
    if (state.nodes !== this.#nodes) this.#nodes = undefined;
    if (state.replicas !== this.#replicas) this.#replicas = undefined;
    if (state.targets !== this.#targets) this.#targets = undefined;
    this.#state = state;
  }

  putNode(node: NodeRecord): void {
    this.#ownNodes().set(node.id, node);
  }

  removeNode(id: NodeId): void {
    if (this.#state.nodes.has(id)) this.#ownNodes().delete(id);
  }

  /** A replica that is new, or another than before. */
  putReplica(replica: ReplicaRecord): void {
    const replicas = this.#ownReplicas();
    knownIndexOf(replicas)?.put(replicas.get(replica.id), replica);
    replicas.set(replica.id, replica);
  }

  removeReplica(id: ReplicaId): void {
    const replica = this.#state.replicas.get(id);
    if (replica === undefined) return;
    const replicas = this.#ownReplicas();
    knownIndexOf(replicas)?.remove(replica);
    replicas.delete(id);
  }

  putTarget(deployment: DeploymentId, target: Target): void {
    this.#ownTargets().set(deployment, target);
  }

  removeTarget(deployment: DeploymentId): void {
    if (this.#state.targets.has(deployment)) this.#ownTargets().delete(deployment);
  }

  #ownNodes(): Map<NodeId, NodeRecord> {
    if (this.#nodes === undefined) {
      this.#nodes = new Map(this.#state.nodes);
      this.#state = { ...this.#state, nodes: this.#nodes };
    }
    forgetAcknowledged(this.#nodes);
    return this.#nodes;
  }

  #ownReplicas(): Map<ReplicaId, ReplicaRecord> {
    if (this.#replicas === undefined) {
      this.#replicas = new Map(this.#state.replicas);
      copyIndex(this.#state.replicas, this.#replicas);
      this.#state = { ...this.#state, replicas: this.#replicas };
    }
    return this.#replicas;
  }

  #ownTargets(): Map<DeploymentId, Target> {
    if (this.#targets === undefined) {
      this.#targets = new Map(this.#state.targets);
      this.#state = { ...this.#state, targets: this.#targets };
    }
    return this.#targets;
  }
}
