import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** Nothing is to run where one of these holds, whatever the bounds. */
const NOTHING_WANTED: ReadonlySet<string> = new Set(["startFailed", "removed", "callersRemain", "deleting"]);

/** Replicas that somebody may have asked for. */
type Asked = { readonly least: number; readonly most: number };

/** What a deployment is to have is within bounds that were asked for, or was asked for by hand, or is nothing for a reason. */
export function createTargetsCheck(): Check {
  const asked = new Map<string, Asked[]>();
  const ask = (deployment: string, bounds: Asked): void => {
    const known = asked.get(deployment) ?? [];
    if (known.length === 0) asked.set(deployment, known);
    known.push(bounds);
  };
  return {
    name: "targets",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "deployAsked") for (const one of event.deployments) ask(one.id, one);
      if (event.kind === "handAsked" && event.command === "scale") {
        ask(event.about, { least: event.amount, most: event.amount });
      }
      if (event.kind !== "decision" || event.action !== "setTarget" || event.reason === "gone") return undefined;
      const { about, target, reason, by } = event;
      if (target === undefined) return `${by} set a target for ${about} and does not say which`;
      if (NOTHING_WANTED.has(reason) && target === 0) return undefined;
      const bounds = asked.get(about) ?? [];
      if (bounds.some(({ least, most }) => target >= least && target <= most)) return undefined;
      return `${by} wants ${target} replicas of ${about} (${reason}), which nobody asked for`;
    },
    atEnd: () => undefined,
  };
}
