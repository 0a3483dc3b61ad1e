import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/**
 * While versions, counts and places change, the replicas that can serve never fall below the target less `maxUnavailable`:
 * ready, and in the table of every router, in a version that users' requests may go to. A deployment is judged from when it
 * has as many until its target rises, a fault happens anywhere, or an old replica has to make room for a new one because no
 * node has any. A node that is emptied within seconds may take what is on it.
 */

/** What a fault did is mended after this, through leases, backoffs and a controller's recovery. */
const MENDED_AFTER_MS = 15_000;
/** Nobody can be replaced first on a node that is emptied so soon. */
const SHORT_DRAIN_MS = 10_000;

/** An old replica makes room for a new one; a version that was refused is taken from users whatever is left. */
const EXCUSED: ReadonlySet<string> = new Set(["makesRoom", "unproven"]);

type Replica = { readonly deployment: string; readonly process: string; isReady: boolean };
type Router = { readonly table: ReadonlySet<string>; readonly unnamed: ReadonlySet<string> };
type Deployment = { target: number; unavailable: number; isWhole: boolean };

/** Creates the check. */
export function createBudgetCheck(): Check {
  const replicas = new Map<string, Replica>();
  const routers = new Map<string, Router>();
  const deployments = new Map<string, Deployment>();
  let lasting = 0;
  let mendedAt = 0;
  let hasShortDrain = false;
  /** The controller that began last. */
  let ruler = "";

  const servingIn = ({ table, unnamed }: Router, deployment: string): number => {
    let count = 0;
    for (const id of table) {
      const replica = replicas.get(id);
      if (replica?.deployment === deployment && replica.isReady && !unnamed.has(id)) count += 1;
    }
    return count;
  };
  /** What is wrong with a deployment now. */
  const judge = (at: number, id: string): string | undefined => {
    const deployment = deployments.get(id);
    if (deployment === undefined) return undefined;
    const { target, unavailable, isWhole } = deployment;
    const least = target - unavailable;
    // As long as no router has a table, nobody could say that it has as many.
    deployment.isWhole = routers.size > 0 && lasting === 0 && at >= mendedAt;
    for (const [name, router] of routers) {
      const serving = servingIn(router, id);
      if (serving >= least) continue;
      const isFound = isWhole && deployment.isWhole;
      deployment.isWhole = false;
      if (isFound) return `${serving} replicas of ${id} can serve for ${name}, the target is ${target}`;
    }
    return undefined;
  };
  const judgeAll = (at: number): string | undefined => {
    for (const id of deployments.keys()) {
      const found = judge(at, id);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const excuse = (id: string | undefined): void => {
    const deployment = id === undefined ? undefined : deployments.get(id);
    if (deployment !== undefined) deployment.isWhole = false;
  };
  /** A version that loses its share was not to be counted on: the old one has as many as are wanted. */
  const excuseUnnamed = ({ router, unnamed }: Extract<SimEvent, { kind: "tableApplied" }>): void => {
    const before = routers.get(router);
    for (const id of unnamed) {
      if (before?.table.has(id) === true && !before.unnamed.has(id)) excuse(replicas.get(id)?.deployment);
    }
  };
  const onDecision = (event: Extract<SimEvent, { kind: "decision" }>): void => {
    if (event.action === "recover") {
      ruler = event.by;
    } else if (event.action === "setTarget") {
      // One that was replaced, and has not noticed, decides for nobody.
      if (event.by !== ruler) return;
      const deployment = deployments.get(event.about) ?? { target: 0, unavailable: 0, isWhole: false };
      deployments.set(event.about, deployment);
      const target = event.target ?? 0;
      // More than before is owed once it is there, from the next look on.
      if (target > deployment.target) deployment.isWhole = false;
      deployment.target = target;
    } else if (EXCUSED.has(event.reason) || (event.reason === "nodeDrains" && hasShortDrain)) {
      excuse(replicas.get(event.about)?.deployment);
    }
  };
  return {
    name: "budget",
    observe(at: number, event: SimEvent) {
      switch (event.kind) {
        case "fault":
          lasting += event.action === "begin" ? 1 : -1;
          mendedAt = at + MENDED_AFTER_MS;
          for (const id of deployments.keys()) excuse(id);
          return undefined;
        case "deployAsked":
          for (const { id, maxUnavailable } of event.deployments) {
            const known = deployments.get(id) ?? { target: 0, unavailable: 0, isWhole: false };
            deployments.set(id, { ...known, unavailable: Math.max(known.unavailable, maxUnavailable) });
          }
          return undefined;
        case "handAsked": {
          if (event.command === "drain") hasShortDrain ||= event.amount < SHORT_DRAIN_MS;
          const deployment = deployments.get(event.about);
          if (event.command === "scale" && deployment !== undefined) {
            deployment.target = Math.min(deployment.target, event.amount);
          }
          return undefined;
        }
        case "decision":
          onDecision(event);
          return undefined;
        case "replicaOrdered":
          replicas.set(event.replica, { deployment: event.deployment, process: event.process, isReady: false });
          return undefined;
        case "replicaState": {
          const replica = replicas.get(event.replica);
          if (replica === undefined) return undefined;
          replica.isReady = event.state === "ready";
          return judge(at, event.deployment);
        }
        case "processEnded": {
          routers.delete(event.process);
          for (const [id, replica] of replicas) if (replica.process === event.process) replicas.delete(id);
          return judgeAll(at);
        }
        case "tableApplied":
          excuseUnnamed(event);
          routers.set(event.router, { table: event.replicas, unnamed: event.unnamed });
          return judgeAll(at);
        default:
          return undefined;
      }
    },
    atEnd: () => undefined,
  };
}
