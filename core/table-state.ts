import type { TableEntry, TableKey, TableUpdate } from "./table.ts";
import { tableKey } from "./table.ts";

/** A routing table as one of its holders has it at one moment. Never changed: an update makes another. */
export type RoutingTable = {
  readonly epoch: number;
  readonly version: number;
  readonly entries: ReadonlyMap<TableKey, TableEntry>;
};

/**
 * The table after `update`. An update that is older than the table, or equal to it, gives the same object back, so that
 * a late or repeated one does no harm. `"gap"` means that something between the two is missing, or that a delta came
 * from a controller whose snapshot never did: the holder keeps what it has and asks for a snapshot.
 */
export function applyUpdate(table: RoutingTable | undefined, update: TableUpdate): RoutingTable | "gap" {
  if (table !== undefined && isOld(table, update)) return table;
  if (update.kind === "snapshot")
    return { epoch: update.epoch, version: update.version, entries: byKey(update.upserts) };
  // A delta also fits on a table that is newer than its base: it holds the newest value of every key that changed since.
  if (table === undefined || table.epoch !== update.epoch || table.version < update.baseVersion) return "gap";
  const entries = new Map(table.entries);
  for (const key of update.removals) entries.delete(key);
  for (const entry of update.upserts) entries.set(tableKey(entry), entry);
  return { epoch: update.epoch, version: update.version, entries };
}

/** The whole table as an update, for a holder that has nothing yet. */
export function snapshotOf(table: RoutingTable): TableUpdate {
  return {
    epoch: table.epoch,
    version: table.version,
    kind: "snapshot",
    baseVersion: 0,
    upserts: [...table.entries.values()],
    removals: [],
  };
}

function isOld(table: RoutingTable, update: TableUpdate): boolean {
  if (update.epoch !== table.epoch) return update.epoch < table.epoch;
  return update.version <= table.version;
}

function byKey(entries: readonly TableEntry[]): Map<TableKey, TableEntry> {
  return new Map(entries.map((entry) => [tableKey(entry), entry]));
}
