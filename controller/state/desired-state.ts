import { readAutoscaling } from "../../core/autoscaling-options.ts";
import { VersionConflictError } from "../../core/error.ts";
import { type ApplicationName, type DeploymentId, type NodeId, splitDeploymentId } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { ProblemList } from "../../core/problem-list.ts";
import { readRollout } from "../../core/rollout-options.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import type { ApplicationRecord } from "../decide/cluster.ts";
import type { Store } from "./store.ts";

/**
 * What the store holds, and how: `epoch`, `application/<name>`, `node/<id>`, `count/<deployment>`. Every value is JSON with a schema number; a
 * value of a later schema, or one that cannot be read, is left where it is and told, and everything else goes on.
 */

const SCHEMA = 1;
const APPLICATION = "application/";
const NODE = "node/";
const COUNT = "count/";

/** The draining of a node, in milliseconds since 1970: another controller may read it. */
export type StoredDrain = { readonly beganAt: number; readonly deadlineAt: number };

/** What a controller knows when it starts. */
export type DesiredStateContents = {
  /** One more than that of the controller before. */
  readonly epoch: number;
  readonly applications: readonly ApplicationRecord[];
  /** Nodes that were not lost when the controller before last looked. */
  readonly nodes: readonly NodeId[];
  /** Those of them that are to be emptied. */
  readonly drains: ReadonlyMap<NodeId, StoredDrain>;
  /** How many replicas deployments that scale by themselves had last. */
  readonly counts: ReadonlyMap<DeploymentId, number>;
  /** What could not be read and was left as it is, in words. */
  readonly unreadable: readonly string[];
};

/** Desired state in a store. */
export class DesiredState {
  readonly #log: Logger;
  readonly #store: Store;
  readonly #revisions = new Map<ApplicationName, number>();
  /** Nodes that the store has, or will have once what is being written is, with the text of their records. */
  readonly #nodes = new Map<NodeId, string>();
  readonly #unreadable: string[] = [];

  constructor(deps: { readonly log: Logger; readonly store: Store }) {
    this.#log = deps.log;
    this.#store = deps.store;
  }

  /**
   * Reads everything, and takes the next epoch: `firstEpoch` where the store has none. It should be higher than what a
   * lost store may have counted to, because workers that remember a higher one obey nobody below it.
   */
  async load(firstEpoch = 1): Promise<DesiredStateContents> {
    const epoch = await this.#nextEpoch(firstEpoch);
    const applications: ApplicationRecord[] = [];
    const stored = await this.#store.list(APPLICATION);
    for (const { key, value, revision } of stored) {
      const application = this.#parsed<ApplicationRecord>(key, value);
      if (application === undefined) continue;
      applications.push(withDefaults(application));
      this.#revisions.set(application.name, revision);
    }
    const drains = new Map<NodeId, StoredDrain>();
    for (const { key, value } of await this.#store.list(NODE)) {
      const node = key.slice(NODE.length) as NodeId;
      this.#nodes.set(node, value);
      const drain = this.#parsed<{ drain?: StoredDrain }>(key, value)?.drain;
      if (drain !== undefined) drains.set(node, drain);
    }
    const counts = await this.#loadCounts(new Set(stored.map(({ key }) => key.slice(APPLICATION.length))));
    return { epoch, applications, nodes: [...this.#nodes.keys()], drains, counts, unreadable: this.#unreadable };
  }

  /** Counts of an application that is gone, which a new one of its name must not begin at, are taken out. */
  async #loadCounts(applications: ReadonlySet<string>): Promise<ReadonlyMap<DeploymentId, number>> {
    const counts = new Map<DeploymentId, number>();
    for (const { key, value } of await this.#store.list(COUNT)) {
      const deployment = key.slice(COUNT.length) as DeploymentId;
      if (!applications.has(splitDeploymentId(deployment).application)) {
        await this.#store.delete(key).catch((err: unknown) => {
          this.#log.warn({ err, deployment }, "the count of a deployment that is gone could not be taken out");
        });
        continue;
      }
      const count = this.#parsed<number>(key, value);
      if (count !== undefined) counts.set(deployment, count);
    }
    return counts;
  }

  /** Remembers how many replicas a deployment has, or (undefined) forgets it. */
  async putCount(deployment: DeploymentId, count: number | undefined): Promise<void> {
    if (count === undefined) await this.#store.delete(COUNT + deployment);
    else await this.#store.put(COUNT + deployment, JSON.stringify({ schema: SCHEMA, value: count }));
  }

  /** Stores an application. Rejects with VersionConflictError when somebody else did since this process last saw it. */
  async putApplication(application: ApplicationRecord): Promise<void> {
    const expected = this.#revisions.get(application.name) ?? 0;
    const value = JSON.stringify({ schema: SCHEMA, value: application });
    this.#revisions.set(application.name, await this.#store.put(APPLICATION + application.name, value, expected));
  }

  /** Deletes an application. */
  async deleteApplication(name: ApplicationName): Promise<void> {
    await this.#store.delete(APPLICATION + name, this.#revisions.get(name) ?? 0);
    this.#revisions.delete(name);
  }

  /** Remembers that a node exists, so that a later controller waits for it, and whether it is being emptied. */
  async putNode(node: NodeId, drain?: StoredDrain): Promise<void> {
    const text = JSON.stringify({ schema: SCHEMA, value: { node, drain } });
    if (this.#nodes.get(node) === text) return;
    this.#nodes.set(node, text);
    try {
      await this.#store.put(NODE + node, text);
    } catch (thrown) {
      this.#nodes.delete(node);
      throw thrown;
    }
  }

  /** Forgets a node. */
  async deleteNode(node: NodeId): Promise<void> {
    this.#nodes.delete(node);
    await this.#store.delete(NODE + node);
  }

  async #nextEpoch(firstEpoch: number): Promise<number> {
    const stored = await this.#store.get("epoch");
    const last = stored === undefined ? firstEpoch - 1 : (this.#parsed<number>("epoch", stored.value) ?? 0);
    if (stored !== undefined && last === 0) {
      throw new VersionConflictError(
        "the store's epoch cannot be read; it was written by a later version of thornback",
      );
    }
    await this.#store.put("epoch", JSON.stringify({ schema: SCHEMA, value: last + 1 }), stored?.revision ?? 0);
    return last + 1;
  }

  #parsed<T>(key: string, text: string): T | undefined {
    try {
      const { schema, value } = JSON.parse(text) as { schema: number; value: T };
      if (schema === SCHEMA) return value;
      this.#refuse({ key, schema }, `${key} is of schema ${schema}, which this version does not read`);
    } catch (thrown) {
      this.#refuse({ key, err: thrown }, `${key} is not JSON`);
    }
    return undefined;
  }

  #refuse(fields: Readonly<Record<string, unknown>>, what: string): void {
    this.#log.error({ reason: "StoreCorrupt", ...fields }, `${what}; it is left as it is`);
    this.#unreadable.push(`StoreCorrupt: ${what}; it is left as it is`);
  }
}

/** A record of an earlier release lacks what its options did not have yet. What is there stays, whatever it is. */
function withDefaults(application: ApplicationRecord): ApplicationRecord {
  const problems = new ProblemList();
  const releases = application.releases.map((release) => {
    const deployments = release.spec.deployments.map((deployment) => {
      const { options } = deployment;
      const autoscaling = { ...readAutoscaling(problems, "", options.autoscaling), ...options.autoscaling };
      const rollout = { ...readRollout(problems, "", options.rollout), ...options.rollout };
      const filled = options.autoscaling === undefined ? { rollout } : { rollout, autoscaling };
      return { ...deployment, options: { ...options, ...filled } as DeploymentOptionsSpec };
    });
    return { ...release, spec: { ...release.spec, deployments } };
  });
  return { ...application, releases };
}
