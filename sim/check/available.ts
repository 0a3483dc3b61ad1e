import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * A request for an idempotent deployment does not fail while one of its replicas could have served it: ready, in the
 * router's table and untouched by any fault, for all of the request's life and a little longer. Answers of the user's
 * code, full queues and cancellations are no failures of the system; a passed deadline is one only where replicas had
 * slots to spare, which this check cannot see, so it leaves those to `ends-once`.
 */

/** A replica counts as usable only this long after it became so: its router still has to connect. */
const SETTLE_MS = 2_500;
/** And a worker has to reach the controller again, through the retries of its kernel, for a newer table. */
const TABLE_SETTLE_MS = 8_000;

const FAILURES: ReadonlySet<string> = new Set([
  "replica_lost",
  "replica_draining",
  "replica_overloaded",
  "deployment_unavailable",
  "deployment_not_found",
  "route_not_found",
  "internal",
]);

/** These say that the router's table lacks the route, so any fault on the way from the controller excuses them. */
const OF_TABLE: ReadonlySet<string> = new Set(["route_not_found", "deployment_not_found"]);

/** What a handler may answer because another deployment, which it called, is not there. */
const OF_CALLEE: ReadonlySet<string> = new Set(["deployment_unavailable", "deployment_not_found"]);

type Replica = {
  readonly node: string;
  readonly process: string;
  readonly deployment: string;
  readyAt: number | undefined;
};
type Router = { readonly node: string; readonly since: Map<string, number> };

/** The part of a table that users' requests may go to. */
function namedOf({ replicas, unnamed }: Extract<SimEvent, { kind: "tableApplied" }>): ReadonlySet<string> {
  return unnamed.size === 0 ? replicas : new Set([...replicas].filter((id) => !unnamed.has(id)));
}

/** Creates the check. */
export function createAvailableCheck(): Check {
  const replicas = new Map<string, Replica>();
  const routers = new Map<string, Router>();
  /** Application → when it was last deployed; infinite once its deletion was asked for. */
  const deployedAt = new Map<string, number>();
  /** Process or host → faults that last, and when the last one ended. */
  const faults = new Map<string, { lasting: number; endedAt: number }>();
  const started = new Map<string, { readonly at: number; readonly isIdempotent: boolean }>();
  /** Requests whose handler answered that a deployment it called is not there. */
  const calleeFailed = new Set<string>();
  const endOf = (fault: { lasting: number; endedAt: number } | undefined): number => {
    if (fault === undefined) return 0;
    return fault.lasting > 0 ? Number.POSITIVE_INFINITY : fault.endedAt;
  };
  const lastFault = (): number => Math.max(0, ...[...faults.values()].map(endOf));
  const usableSince = (replicaId: string, replica: Replica, router: Router, routerName: string): number => {
    const touched = [replica.process, replica.node, router.node, routerName];
    return Math.max(
      replica.readyAt ?? Number.POSITIVE_INFINITY,
      router.since.get(replicaId) ?? Number.POSITIVE_INFINITY,
      deployedAt.get(replica.deployment.slice(0, replica.deployment.indexOf("/"))) ?? Number.POSITIVE_INFINITY,
      ...touched.map((name) => endOf(faults.get(name))),
    );
  };
  const onEnded = (event: Extract<SimEvent, { kind: "requestEnded" }>): string | undefined => {
    const request = started.get(event.request);
    started.delete(event.request);
    const router = routers.get(event.router);
    if (request === undefined || !request.isIdempotent || router === undefined || !FAILURES.has(event.outcome))
      return undefined;
    if (calleeFailed.delete(event.request)) return undefined;
    const settleMs = OF_TABLE.has(event.outcome) ? TABLE_SETTLE_MS : SETTLE_MS;
    const quietSince = OF_TABLE.has(event.outcome) ? lastFault() : 0;
    for (const [id, replica] of replicas) {
      if (replica.deployment !== event.deployment) continue;
      const since = Math.max(quietSince, usableSince(id, replica, router, event.router));
      if (since + settleMs > request.at) continue;
      return `request ${event.request} of idempotent ${event.deployment} ended as ${event.outcome} in ${event.router} while ${id} could serve it`;
    }
    return undefined;
  };
  return {
    name: "available",
    observe(at: number, event: SimEvent) {
      switch (event.kind) {
        case "replicaOrdered":
          replicas.set(event.replica, {
            node: event.node,
            process: event.process,
            deployment: event.deployment,
            readyAt: undefined,
          });
          return undefined;
        case "replicaState": {
          const replica = replicas.get(event.replica);
          if (replica === undefined) return undefined;
          if (event.state !== "ready") replica.readyAt = undefined;
          else replica.readyAt ??= at;
          return undefined;
        }
        case "processEnded":
          for (const [id, replica] of replicas) if (replica.process === event.process) replicas.delete(id);
          return undefined;
        case "tableApplied": {
          const router = routers.get(event.router) ?? { node: event.node, since: new Map<string, number>() };
          routers.set(event.router, router);
          const named = namedOf(event);
          for (const id of named) if (!router.since.has(id)) router.since.set(id, at);
          for (const id of [...router.since.keys()]) if (!named.has(id)) router.since.delete(id);
          return undefined;
        }
        case "deployed":
          // Deploying over what is there interrupts nothing.
          if (!Number.isFinite(deployedAt.get(event.application))) deployedAt.set(event.application, at);
          return undefined;
        case "deleteAsked":
          deployedAt.set(event.application, Number.POSITIVE_INFINITY);
          return undefined;
        case "fault": {
          const fault = faults.get(event.target) ?? { lasting: 0, endedAt: 0 };
          faults.set(event.target, fault);
          fault.lasting += event.action === "begin" ? 1 : -1;
          fault.endedAt = at;
          return undefined;
        }
        case "requestStarted":
          started.set(event.request, { at, isIdempotent: event.isIdempotent });
          return undefined;
        case "returned":
          if (OF_CALLEE.has(event.outcome)) calleeFailed.add(event.request);
          return undefined;
        case "requestEnded":
          return onEnded(event);
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
