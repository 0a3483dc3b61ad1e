import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * No router lets a request wait that finds `maxQueuedRequests` waiting already. Those that a replica refused return to
 * their place all the same, so at most as many more can wait as the deployment's replicas have slots. At the end none
 * waits.
 */
export function createQueueCheck(): Check {
  const bounds = new Map<string, Extract<SimEvent, { kind: "tableApplied" }>["queues"]>();
  const waiting = new Map<string, number>();
  /** Instant, router and deployment of the request that came with the event before this one. */
  let arrived = "";
  /** Too many for the moment: one that comes may push another out, at the same instant. */
  let suspect: { readonly at: number; readonly key: string; readonly message: string } | undefined;
  /** A replica that left the table may refuse what it was sent before, so the most slots there ever were count. */
  const onTable = ({ router, queues }: Extract<SimEvent, { kind: "tableApplied" }>): void => {
    const before = bounds.get(router);
    const now = [...queues].map(([id, { most, slots }]): [typeof id, { most: number; slots: number }] => [
      id,
      { most, slots: Math.max(slots, before?.get(id)?.slots ?? 0) },
    ]);
    bounds.set(router, new Map(now));
  };
  const onQueued = (
    at: number,
    { router, deployment, count }: Extract<SimEvent, { kind: "queued" }>,
  ): string | undefined => {
    const key = `${router} ${deployment}`;
    const isArrival = arrived === `${at} ${key}` && count > (waiting.get(key) ?? 0);
    waiting.set(key, count);
    const bound = bounds.get(router)?.get(deployment);
    if (bound === undefined || count <= bound.most + (isArrival ? 0 : bound.slots)) return undefined;
    return `${count} requests for ${deployment} wait in ${router}, maxQueuedRequests is ${bound.most}`;
  };
  return {
    name: "queue",
    observe(at: number, event: SimEvent) {
      const before = suspect;
      suspect = undefined;
      if (before !== undefined && at > before.at) return before.message;
      if (event.kind === "processEnded") {
        for (const key of [...waiting.keys()]) if (key.startsWith(`${event.process} `)) waiting.delete(key);
      }
      if (event.kind === "tableApplied") onTable(event);
      if (event.kind === "queued") {
        const message = onQueued(at, event);
        const key = `${event.router} ${event.deployment}`;
        if (message !== undefined) suspect = { at, key, message };
        else if (before !== undefined && before.key !== key) suspect = before;
      } else suspect = before;
      arrived = event.kind === "requestStarted" ? `${at} ${event.router} ${event.deployment}` : "";
      return undefined;
    },
    atEnd() {
      if (suspect !== undefined) return suspect.message;
      for (const [where, count] of waiting) if (count > 0) return `${count} requests still wait in ${where}`;
      return undefined;
    },
  };
}
