import type { CallTransport } from "../../core/call.ts";
import { whenAllCancelled, type Cancellation } from "../../core/cancellation.ts";
import type { Clock, Defer } from "../../core/clock.ts";
import { deploymentId } from "../../core/ids.ts";
import type { ApplicationName, DeploymentId, DeploymentName, RequestId, Version } from "../../core/ids.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import type { Logger } from "../../core/log.ts";
import type { Metrics } from "../../core/metric.ts";
import type { Network } from "../../core/network.ts";
import type { Random } from "../../core/random.ts";
import { currentScope, type RequestScope } from "../../core/request-scope.ts";
import { applyUpdate, snapshotOf, type RoutingTable } from "../../core/table-state.ts";
import type { Place, TableUpdate } from "../../core/table.ts";
import { createCallTransport, type CallerContext } from "../../routing/handle.ts";
import { Routers } from "../../routing/routers.ts";
import { createHandle } from "../../sdk/handle.ts";

/** What a replica's handles are made of. */
export type ReplicaHandlesDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly network: Network;
  readonly defer: Defer;
  /** What its routers have to do; undefined: nobody asks. */
  readonly onLoads?: ((loads: readonly DeploymentLoad[]) => void) | undefined;
};

/**
 * The handles of one replica and the routing table behind them. A replica without handles keeps no table; it only
 * acknowledges, since nothing it does depends on one.
 */
export class ReplicaHandles {
  readonly #deps: ReplicaHandlesDeps;
  /** Where the replica runs, so that near replicas of others are preferred. */
  place: Place | undefined;
  #table: RoutingTable | undefined;
  #routers: Routers | undefined;
  #isUnused = false;

  constructor(deps: ReplicaHandlesDeps) {
    this.#deps = deps;
  }

  /** A handle of `deployment` in the same application. */
  make(application: ApplicationName, deployment: DeploymentName): unknown {
    return createHandle(deploymentId(application, deployment), this.#transport());
  }

  /** A handle whose calls reach that version of a deployment alone, and end with the signal. */
  makePinned(deployment: DeploymentId, version: Version, signal: AbortSignal): unknown {
    const transport = this.#transport();
    return createHandle(deployment, { call: (call) => transport.call({ ...call, version }) }, { signal });
  }

  /** The actor is made: if it has no handles by now it never will, unless `mayNeedTable`. */
  settle(mayNeedTable: boolean): void {
    if (this.#routers !== undefined || mayNeedTable) return;
    this.#isUnused = true;
    this.#table = undefined;
  }

  /** Takes over a change; `gap`: it does not follow from what is here, a snapshot is needed. */
  apply(update: TableUpdate): "applied" | "gap" {
    if (this.#routers !== undefined) return this.#routers.apply(update);
    if (this.#isUnused) return "applied";
    const table = applyUpdate(this.#table, update);
    if (table === "gap") return "gap";
    this.#table = table;
    return "applied";
  }

  /** Closes every link. */
  close(): void {
    this.#routers?.close();
  }

  #transport(): CallTransport {
    const { clock, random } = this.#deps;
    this.#routers ??= this.#makeRouters();
    return createCallTransport({ clock, random, routers: this.#routers, current: callerContext });
  }

  #makeRouters(): Routers {
    const routers = new Routers({ ...this.#deps, place: this.place }, "replica");
    if (this.#table !== undefined) routers.apply(snapshotOf(this.#table));
    this.#table = undefined;
    return routers;
  }
}

/**
 * The request a call is made for. Calls from a batch handler work for all its requests: they may take as long as the
 * most patient one allows, and end when the last of them has been cancelled.
 */
function callerContext(): CallerContext | undefined {
  const scope = currentScope();
  if (scope === undefined) return undefined;
  const requests = scope.kind === "request" ? [scope.request] : scope.requests;
  const [first] = requests;
  // No id: a batch for callers outside of any request.
  if (first === undefined || first.context.requestId === "") return undefined;
  const { context, traceparent } = first;
  return {
    requestId: context.requestId as RequestId,
    deadlineAt: Math.max(...requests.map((request) => request.context.deadlineAt)),
    depth: Math.max(...requests.map(({ depth }) => depth)),
    traceparent,
    requests,
    cancellation: scope.kind === "request" ? first.cancellation : cancellationOf(scope.requests),
  };
}

/** One for each batch that makes calls, however many it makes. */
const batchCancellations = new WeakMap<readonly RequestScope[], Cancellation>();

/** Cancelled once every request of a batch is: until then somebody waits for what its calls find out. */
function cancellationOf(requests: readonly RequestScope[]): Cancellation {
  const known = batchCancellations.get(requests);
  if (known !== undefined) return known;
  const { all } = whenAllCancelled(requests.map(({ cancellation }) => cancellation));
  batchCancellations.set(requests, all);
  return all;
}
