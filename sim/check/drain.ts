import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * No request reaches the handler of a replica that has acknowledged its drain; and none that came to a router after that
 * had acknowledged a table without a replica reaches that replica from it. (One that came before may have been on its
 * way for as long as a cut lasts.)
 */
export function createDrainCheck(): Check {
  const draining = new Map<string, number>();
  const started = new Map<string, { readonly at: number; readonly router: string }>();
  /** Router → replica → since when it is out of the router's table. */
  const removed = new Map<string, Map<string, number>>();
  const inTable = new Map<string, ReadonlySet<string>>();
  const onInvoked = (at: number, request: string, replica: string): string | undefined => {
    const drainedAt = draining.get(replica);
    if (drainedAt !== undefined) {
      return `${replica} began request ${request} ${(at - drainedAt).toFixed(1)} ms after it had acknowledged its drain`;
    }
    const start = started.get(request);
    const removedAt = start === undefined ? undefined : removed.get(start.router)?.get(replica);
    if (start === undefined || removedAt === undefined || start.at <= removedAt) return undefined;
    return `${start.router} sent request ${request} to ${replica}, which had left its table before the request came`;
  };
  return {
    name: "drain",
    observe(at: number, event: SimEvent) {
      switch (event.kind) {
        case "replicaState":
          if (event.state === "draining") draining.set(event.replica, draining.get(event.replica) ?? at);
          else draining.delete(event.replica);
          return undefined;
        case "requestStarted":
          started.set(event.request, { at, router: event.router });
          return undefined;
        case "tableApplied": {
          const gone = removed.get(event.router) ?? new Map<string, number>();
          removed.set(event.router, gone);
          for (const replica of inTable.get(event.router) ?? []) {
            if (!event.replicas.has(replica as never)) gone.set(replica, at);
          }
          for (const replica of event.replicas) gone.delete(replica);
          inTable.set(event.router, event.replicas);
          return undefined;
        }
        case "invoked":
          return onInvoked(at, event.request, event.replica);
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
