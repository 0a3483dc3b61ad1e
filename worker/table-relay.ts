/**
 * Hands the routing table on to the routers of the node (proxies, and replicas, which call other deployments) and knows
 * the newest one that all of them use: the controller stops an old replica only when no router can send it anything.
 * The table is also kept on disk, so that a proxy that starts while nobody answers still knows where to send requests.
 */
import type { Clock, Timer } from "../core/clock.ts";
import { TABLE_ACK_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import type { TableUpdate } from "../core/table.ts";
import type { RoutingTable } from "../core/table-state.ts";
import { applyUpdate, snapshotOf } from "../core/table-state.ts";
import type { TableVersion } from "../proto/transport.ts";
import type { Child } from "./children.ts";
import type { NodeFiles } from "./node-files.ts";

/** What {@link TableRelay} is made from. */
export type TableRelayDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly files: NodeFiles;
  /** The newest table that all routers use may be another one. */
  readonly onApplied: () => void;
};

/** What one router is known to use. */
type Router = {
  applied: TableVersion;
  /** Since when nothing was heard of it although it owes an answer. */
  sentAt: number;
};

const NOTHING: TableVersion = { epoch: 0, version: 0 };
/** A burst of changes is written once. */
const WRITE_AFTER_MS = 100;

/** The node's routing table on its way from the controller to the routers. */
export class TableRelay {
  readonly #deps: TableRelayDeps;
  readonly #routers = new Map<Child, Router>();
  #table: RoutingTable | undefined;
  #writeTimer: Timer | undefined;

  constructor(deps: TableRelayDeps) {
    this.#deps = deps;
  }

  /** Begins with the table that is on disk. */
  load(): void {
    const snapshot = this.#deps.files.readTable();
    const table = snapshot === undefined ? "gap" : applyUpdate(undefined, snapshot);
    if (table !== "gap") this.#table = table;
  }

  /** What the node has; undefined: nothing. */
  get known(): TableVersion | undefined {
    return this.#table === undefined ? undefined : { epoch: this.#table.epoch, version: this.#table.version };
  }

  /** Takes what the controller sent; false when something is missing in between and a snapshot is needed. */
  apply(update: TableUpdate): boolean {
    const { clock, log, metrics } = this.#deps;
    const table = applyUpdate(this.#table, update);
    if (table === "gap") return false;
    if (table === this.#table) return true;
    this.#table = table;
    metrics.gauge("thornback_routing_table_version", { component: "worker" }).set(table.version);
    log.debug(
      { epoch: table.epoch, tableVersion: table.version, routers: this.#routers.size },
      "routing table changed",
    );
    for (const [child, router] of this.#routers) {
      // Who answered for everything so far owes an answer from now on; who is late already stays late.
      if (!isBefore(router.applied, { epoch: update.epoch, version: update.baseVersion })) router.sentAt = clock.now();
      child.link?.send({ kind: "table", update });
    }
    this.#writeTimer ??= clock.after(WRITE_AFTER_MS, () => this.flush());
    if (this.#routers.size === 0) this.#deps.onApplied();
    return true;
  }

  /**
   * A router connected, or a blank became one. A new one begins with the table it is sent now and can never use an older
   * one; one that was there before may, until it says otherwise.
   */
  add(child: Child, isNew: boolean): void {
    const known = this.known;
    this.#routers.set(child, { applied: isNew ? (known ?? NOTHING) : NOTHING, sentAt: this.#deps.clock.now() });
    if (this.#table !== undefined) child.link?.send({ kind: "table", update: snapshotOf(this.#table) });
  }

  /** A router uses this table now. */
  applied(child: Child, version: TableVersion): void {
    const router = this.#routers.get(child);
    if (router === undefined) return;
    router.applied = version;
    router.sentAt = this.#deps.clock.now();
    this.#deps.onApplied();
  }

  /** A router is gone, and with it whatever table it used. */
  remove(child: Child): void {
    if (this.#routers.delete(child)) this.#deps.onApplied();
  }

  /** Newest table that every router uses; one that has not answered for TABLE_ACK_TIMEOUT_MS is not waited for. */
  appliedByAll(): TableVersion {
    const now = this.#deps.clock.now();
    let oldest = this.known ?? NOTHING;
    for (const router of this.#routers.values()) {
      const isLate = now - router.sentAt >= TABLE_ACK_TIMEOUT_MS;
      if (isBefore(router.applied, oldest) && !isLate) oldest = router.applied;
    }
    return oldest;
  }

  /** Writes the table now if it is to be written. */
  flush(): void {
    if (this.#writeTimer === undefined || this.#table === undefined) return;
    this.#writeTimer.cancel();
    this.#writeTimer = undefined;
    this.#deps.files.writeTable(snapshotOf(this.#table));
  }
}

function isBefore(left: TableVersion, right: TableVersion): boolean {
  return left.epoch !== right.epoch ? left.epoch < right.epoch : left.version < right.version;
}
