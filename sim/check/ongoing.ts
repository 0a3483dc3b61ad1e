import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

type Slots = { readonly process: string; readonly ongoing: Set<string>; readonly most: number };

/** A replica never has more ongoing requests than `maxOngoingRequests`. Counted at the handler, not by the replica. */
export function createOngoingCheck(): Check {
  const replicas = new Map<string, Slots>();
  return {
    name: "ongoing",
    observe(_at: number, event: SimEvent) {
      switch (event.kind) {
        case "replicaOrdered":
          replicas.set(event.replica, {
            process: event.process,
            ongoing: new Set(),
            most: event.maxOngoingRequests,
          });
          return undefined;
        case "processEnded":
          for (const [id, { process }] of replicas) if (process === event.process) replicas.delete(id);
          return undefined;
        case "invoked": {
          const slots = replicas.get(event.replica);
          if (slots === undefined) return `${event.replica} took a request but has no process`;
          slots.ongoing.add(event.request);
          if (slots.ongoing.size <= slots.most) return undefined;
          return `${event.replica} has ${slots.ongoing.size} ongoing requests, maxOngoingRequests is ${slots.most}`;
        }
        case "returned":
          replicas.get(event.replica)?.ongoing.delete(event.request);
          return undefined;
        default:
          return undefined;
      }
    },
    atEnd() {
      for (const [replica, slots] of replicas) {
        if (slots.ongoing.size > 0) return `${replica} still has ${slots.ongoing.size} ongoing requests`;
      }
      return undefined;
    },
  };
}
