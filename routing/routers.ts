import { DeploymentUnavailableError, NotFoundError, ServeError } from "../core/error.ts";
import type { DeploymentId } from "../core/ids.ts";
import type { Gauge } from "../core/metric.ts";
import type { DeploymentEntry, TableUpdate } from "../core/table.ts";
import { applyUpdate, type RoutingTable } from "../core/table-state.ts";
import type { DeploymentLoad } from "../core/load.ts";
import { DeadlineSweep } from "./deadline-sweep.ts";
import type { Peers } from "./fallback.ts";
import { LoadMeter } from "./load-meter.ts";
import type { RoutedAnswer, RouterRequest } from "./routed-request.ts";
import { Router, type RouterDeps, type SharedByRouters } from "./router.ts";
import { viewOf, type RoutingView } from "./routing-table.ts";

/** How long a client should wait while a proxy has no table yet, seconds. */
const RETRY_AFTER_NO_TABLE_SECONDS = 1;

/** What routers are made of, and where their load is told; undefined: to nobody. */
export type RoutersDeps = RouterDeps & { readonly onLoads?: ((loads: readonly DeploymentLoad[]) => void) | undefined };

/**
 * All routers of a process, and the routing table they share. A deployment's router, and with it the links to its
 * replicas, exists once somebody sends to the deployment or warms it.
 */
export class Routers {
  readonly #deps: RouterDeps;
  readonly #shared: SharedByRouters;
  readonly #routers = new Map<DeploymentId, Router>();
  readonly #versionGauge: Gauge;
  #table: RoutingTable | undefined;
  #view: RoutingView | undefined;

  /** `component` names the process in metrics: `proxy` or `replica`. */
  constructor(deps: RoutersDeps, component: "proxy" | "replica") {
    this.#deps = deps;
    const { clock, onLoads } = deps;
    const meter = onLoads && new LoadMeter({ clock, onLoads, routers: () => this.#routers });
    const peers: Peers = {
      entryOf: (id) => this.#view?.deployments.get(id),
      send: (id, request) => this.send(id, request),
    };
    this.#shared = { deadlines: new DeadlineSweep(clock), meter, peers };
    this.#versionGauge = deps.metrics.gauge("thornback_routing_table_version", { component });
  }

  /** The table in use, indexed; undefined before the first. */
  get view(): RoutingView | undefined {
    return this.#view;
  }

  /**
   * The newest view, for requests that cannot go on without one.
   *
   * @throws {DeploymentUnavailableError} when there is no table yet.
   */
  currentView(): RoutingView {
    if (this.#view !== undefined) return this.#view;
    const details = { retryAfterSeconds: RETRY_AFTER_NO_TABLE_SECONDS };
    throw new DeploymentUnavailableError("there is no routing table yet: try again shortly", { details });
  }

  /**
   * Takes over a change. When it returns, no replica that the table no longer has gets a new request. `gap`: the change
   * does not follow from the table there is; nothing was done, a snapshot is needed.
   */
  apply(update: TableUpdate): "applied" | "gap" {
    const table = applyUpdate(this.#table, update);
    if (table === "gap") return "gap";
    if (table === this.#table) return "applied";
    const before = this.#view;
    const view = viewOf(table);
    this.#table = table;
    this.#view = view;
    this.#versionGauge.set(table.version);
    for (const [id, router] of this.#routers) {
      const entry = view.deployments.get(id);
      if (entry !== undefined) {
        if (isChanged(id, before, view)) router.update(entry, view.replicas.get(id) ?? []);
      } else {
        router.remove();
        this.#routers.delete(id);
      }
    }
    return "applied";
  }

  /** Connects to a deployment's replicas before the first request needs them. */
  warm(id: DeploymentId): void {
    if (this.#view?.deployments.has(id) === true) this.#routerOf(id);
  }

  /**
   * The deployment's entry in the table.
   *
   * @throws {NotFoundError} when there is no such deployment.
   * @throws {DeploymentUnavailableError} when there is no table yet.
   */
  deployment(id: DeploymentId): DeploymentEntry {
    const entry = this.currentView().deployments.get(id);
    if (entry !== undefined) return entry;
    throw new NotFoundError(
      "deployment_not_found",
      `there is no deployment ${id}: \`serve status\` lists those there are`,
    );
  }

  /** Sends a request to a deployment. Rejects with a ServeError. Not `async`: that would be one more promise for each. */
  send(id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer> {
    try {
      return this.#routerOf(id).send(request);
    } catch (error) {
      return Promise.reject(ServeError.from(error));
    }
  }

  /** Closes every link; whatever waits or is ongoing fails. */
  close(): void {
    for (const router of this.#routers.values()) router.close();
    this.#routers.clear();
    this.#shared.deadlines.close();
    this.#shared.meter?.close();
  }

  #routerOf(id: DeploymentId): Router {
    let router = this.#routers.get(id);
    if (router === undefined) {
      const entry = this.deployment(id);
      router = new Router(this.#deps, this.#shared, entry);
      this.#routers.set(id, router);
      router.update(entry, this.#view?.replicas.get(id) ?? []);
    }
    return router;
  }
}

/**
 * Whether a table may say anything else of a deployment than the one before it; a change of one leaves the others' entries. What
 * waits where there is a fallback may go there as soon as that can take it.
 */
function isChanged(id: DeploymentId, before: RoutingView | undefined, { deployments, replicas }: RoutingView): boolean {
  const entry = deployments.get(id);
  if (before?.deployments.get(id) !== entry || entry?.fallback !== undefined) return true;
  const [known, listed] = [before?.replicas.get(id) ?? [], replicas.get(id) ?? []];
  return known.length !== listed.length || listed.some((entry, at) => entry !== known[at]);
}
