import type { ReplicaId } from "../../core/ids.ts";
import { TABLE_CHANGES_KEPT } from "../../core/limits.ts";
import type { Gauge, Metrics } from "../../core/metric.ts";
import { isSameData } from "../../core/same-data.ts";
import { type TableEntry, tableKey, type TableKey, type TableUpdate } from "../../core/table.ts";
import type { TableVersion } from "../../proto/transport.ts";
import type { ClusterState } from "../decide/cluster.ts";
import { tableEntries } from "./table-entries.ts";

/**
 * Keeps the routing table's versions and tells the watchers. A version is a change: publishing the same table again
 * makes none. The changes of the last versions are kept, so that a worker that reconnects gets what it missed; one that
 * was away for longer, or knows another controller's table, gets a snapshot. Nothing is published before the first
 * table, because an empty one would make every router forget replicas that serve.
 */
export class TablePublisher {
  readonly #epoch: number;
  readonly #versionGauge: Gauge;
  readonly #watchers = new Set<(update: TableUpdate) => void>();
  #entries: ReadonlyMap<TableKey, TableEntry> = new Map();
  /** Most entries are the very objects of the last time. */
  readonly #keys = new WeakMap<TableEntry, TableKey>();
  /** What they were made from, in that order. */
  #published: readonly TableEntry[] = [];
  #listed: ReadonlySet<ReplicaId> = new Set();
  /** Oldest first; each applies on top of the one before. */
  #changes: TableUpdate[] = [];
  #version = 0;
  #publishedFrom: Pick<ClusterState, "applications" | "replicas" | "targets" | "shifts"> | undefined;

  constructor(deps: { readonly metrics: Metrics; readonly epoch: number }) {
    this.#epoch = deps.epoch;
    this.#versionGauge = deps.metrics.gauge("thornback_routing_table_version", { component: "controller" });
  }

  /** Publishes the state's table if it differs from the last. Returns the current version and who is listed. */
  publish(state: ClusterState): { readonly version: number; readonly listed: ReadonlySet<ReplicaId> } {
    if (!this.#isSameSource(state)) this.#update(tableEntries(state));
    this.#publishedFrom = state;
    return { version: this.#version, listed: this.#listed };
  }

  /** Sends the table as it changes from now on, beginning with what the watcher lacks. Returns how to stop. */
  watch(known: TableVersion | undefined, send: (update: TableUpdate) => void): () => void {
    if (this.#version > 0) {
      for (const update of this.#missedSince(known)) send(update);
    }
    this.#watchers.add(send);
    return () => this.#watchers.delete(send);
  }

  #isSameSource(state: ClusterState): boolean {
    const last = this.#publishedFrom;
    if (last?.applications !== state.applications) return false;
    return last.replicas === state.replicas && last.targets === state.targets && last.shifts === state.shifts;
  }

  #update(entries: readonly TableEntry[]): void {
    // The replicas change whenever one of them tells how busy it is, which is nothing that the table says.
    if (this.#version > 0 && isSameData(entries, this.#published)) return;
    this.#published = entries;
    const next = new Map<TableKey, TableEntry>();
    const upserts: TableEntry[] = [];
    const listed = new Set<ReplicaId>();
    for (const entry of entries) {
      const key = this.#keyOf(entry);
      next.set(key, entry);
      if (!isSameData(entry, this.#entries.get(key))) upserts.push(entry);
      if (entry.kind === "replica") listed.add(entry.id);
    }
    const removals = [...this.#entries.keys()].filter((key) => !next.has(key));
    this.#entries = next;
    this.#listed = listed;
    if (this.#version > 0 && upserts.length === 0 && removals.length === 0) return;
    const update: TableUpdate = {
      epoch: this.#epoch,
      version: this.#version + 1,
      kind: this.#version === 0 ? "snapshot" : "delta",
      baseVersion: this.#version,
      upserts,
      removals,
    };
    this.#version = update.version;
    this.#versionGauge.set(update.version);
    this.#changes.push(update);
    if (this.#changes.length > TABLE_CHANGES_KEPT) this.#changes.shift();
    for (const send of this.#watchers) send(update);
  }

  #keyOf(entry: TableEntry): TableKey {
    const key = this.#keys.get(entry) ?? tableKey(entry);
    this.#keys.set(entry, key);
    return key;
  }

  #missedSince(known: TableVersion | undefined): readonly TableUpdate[] {
    if (known?.epoch === this.#epoch && known.version <= this.#version) {
      const missed = this.#changes.filter(({ version }) => version > known.version);
      if (missed.length === this.#version - known.version) return missed;
    }
    const upserts = [...this.#entries.values()];
    return [{ epoch: this.#epoch, version: this.#version, kind: "snapshot", baseVersion: 0, upserts, removals: [] }];
  }
}
