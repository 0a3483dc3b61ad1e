import { VersionConflictError } from "../../core/error.ts";
import type { ApplicationName, NodeId } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import type { ApplicationRecord } from "../decide/cluster.ts";
import type { Store } from "./store.ts";

/**
 * What the store holds, and how: `epoch`, `application/<name>`, `node/<id>`. Every value is JSON with a schema number; a
 * value of a later schema, or one that cannot be read, is left where it is and told, and everything else goes on.
 */

const SCHEMA = 1;
const APPLICATION = "application/";
const NODE = "node/";

/** What a controller knows when it starts. */
export type DesiredStateContents = {
  /** One more than that of the controller before. */
  readonly epoch: number;
  readonly applications: readonly ApplicationRecord[];
  /** Nodes that were not lost when the controller before last looked. */
  readonly nodes: readonly NodeId[];
  /** What could not be read and was left as it is, in words. */
  readonly unreadable: readonly string[];
};

/** Desired state in a store. */
export class DesiredState {
  readonly #log: Logger;
  readonly #store: Store;
  readonly #revisions = new Map<ApplicationName, number>();
  /** Nodes that the store has, or will have once what is being written is. */
  readonly #nodes = new Set<NodeId>();
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
    for (const { key, value, revision } of await this.#store.list(APPLICATION)) {
      const application = this.#parsed<ApplicationRecord>(key, value);
      if (application === undefined) continue;
      applications.push(application);
      this.#revisions.set(application.name, revision);
    }
    for (const { key } of await this.#store.list(NODE)) this.#nodes.add(key.slice(NODE.length) as NodeId);
    return { epoch, applications, nodes: [...this.#nodes], unreadable: this.#unreadable };
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

  /** Remembers that a node exists, so that a later controller waits for it. */
  async putNode(node: NodeId): Promise<void> {
    if (this.#nodes.has(node)) return;
    this.#nodes.add(node);
    try {
      await this.#store.put(NODE + node, JSON.stringify({ schema: SCHEMA, value: { node } }));
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
