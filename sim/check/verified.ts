import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * No user's request reaches a version that has a `verify` before that passed. The first versions of an application have
 * nothing to be compared with and serve at once; so do those that somebody promotes by hand.
 */
export function createVerifiedCheck(): Check {
  /** `deployment version` → it must be verified first. */
  const unverified = new Set<string>();
  const settled = new Set<string>();
  const served = new Set<string>();
  const users = new Set<string>();
  const settleAll = (application: string): void => {
    for (const key of unverified) if (key.startsWith(`${application}/`)) settled.add(key);
  };
  return {
    name: "verified",
    observe(_at: number, event: SimEvent) {
      switch (event.kind) {
        case "deployAsked":
          for (const { id, version, hasVerify } of event.deployments) if (hasVerify) unverified.add(`${id} ${version}`);
          return undefined;
        case "replicaOrdered": {
          const application = event.deployment.slice(0, event.deployment.indexOf("/"));
          if (!served.has(application)) settled.add(`${event.deployment} ${event.version}`);
          return undefined;
        }
        case "decision":
          if (event.action === "promote") served.add(event.about);
          return undefined;
        case "deleteAsked":
          served.delete(event.application);
          settleAll(event.application);
          return undefined;
        case "handAsked":
          if (event.command === "promote") settleAll(event.about);
          return undefined;
        case "verifyEnded":
          if (event.isPassed) settled.add(`${event.deployment} ${event.version}`);
          return undefined;
        case "requestStarted":
          users.add(event.request);
          return undefined;
        case "invoked": {
          const key = `${event.deployment} ${event.version}`;
          if (!unverified.has(key) || settled.has(key)) return undefined;
          const [user = ""] = event.request.split("+");
          return users.has(user)
            ? `${event.replica} took request ${event.request} before version ${event.version} of ${event.deployment} was verified`
            : undefined;
        }
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
