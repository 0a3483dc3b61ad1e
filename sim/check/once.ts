import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** What a controller does to a replica once in its life. */
const ONCE: ReadonlySet<string> = new Set(["create", "bind", "leave", "drain"]);
/** Nothing comes back from these. */
const OVER: ReadonlySet<string> = new Set(["draining", "stopped", "failed"]);

/**
 * No action is performed twice: a controller makes, places, unlists and drains a replica once, a replica has one process at
 * a time, and a process that drains never serves again.
 */
export function createOnceCheck(): Check {
  const performed = new Set<string>();
  const processes = new Map<string, string>();
  const over = new Set<string>();
  const onState = ({ process, state, replica }: Extract<SimEvent, { kind: "replicaState" }>): string | undefined => {
    if (OVER.has(state)) over.add(process);
    else if (over.has(process)) return `${process} of ${replica} is ${state} after it had begun to end`;
    return undefined;
  };
  return {
    name: "once",
    observe(_at: number, event: SimEvent) {
      switch (event.kind) {
        case "decision": {
          if (!event.by.startsWith("controller")) return undefined;
          // On a node that was lost and came back it is found again, and has all of it before it once more.
          if (event.action === "forget")
            for (const action of ONCE) performed.delete(`${event.by} ${action} ${event.about}`);
          if (!ONCE.has(event.action)) return undefined;
          const name = `${event.by} ${event.action} ${event.about}`;
          if (performed.has(name)) return `${event.by} decided ${event.action} about ${event.about} twice`;
          performed.add(name);
          return undefined;
        }
        case "replicaOrdered": {
          const other = processes.get(event.replica);
          processes.set(event.replica, event.process);
          return other === undefined
            ? undefined
            : `${event.replica} runs in ${other}, and was started in ${event.process}`;
        }
        case "processEnded":
          for (const [replica, process] of processes) if (process === event.process) processes.delete(replica);
          return undefined;
        case "replicaState":
          return onState(event);
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
