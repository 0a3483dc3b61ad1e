import type { DesiredDeployment, SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

type Running = {
  readonly replica: string;
  readonly deployment: string;
  readonly version: string;
  state: string;
};

/**
 * Once faults, deploys and load have stopped for long enough, what runs is exactly what was asked for: each deployment
 * has as many ready replicas of its version as it should (the fewest, where it scales by itself), and no other replica has
 * a process. Judged by the processes, not by what the controller says of them.
 */
export function createConvergedCheck(): Check & { readonly isConverged: () => boolean } {
  const desired = new Map<string, readonly DesiredDeployment[]>();
  const running = new Map<string, Running>();
  const difference = (): string | undefined => {
    const wanted = new Map<string, number>();
    for (const deployments of desired.values()) {
      for (const { id, version, least } of deployments) wanted.set(`${id} ${version}`, least);
    }
    for (const { replica, deployment, version, state } of running.values()) {
      const key = `${deployment} ${version}`;
      const count = wanted.get(key);
      if (count === undefined) return `${replica} of ${key} still has a process (${state})`;
      if (state !== "ready") return `${replica} of ${key} is ${state}`;
      wanted.set(key, count - 1);
    }
    for (const [key, count] of wanted) {
      if (count !== 0) return `${key} has ${count > 0 ? `${count} replicas too few` : `${-count} too many`}`;
    }
    return undefined;
  };
  return {
    name: "converged",
    observe(_at: number, event: SimEvent) {
      switch (event.kind) {
        case "deployed":
          desired.set(event.application, event.deployments);
          break;
        case "deleted":
          desired.delete(event.application);
          break;
        case "replicaOrdered": {
          const { replica, deployment, version } = event;
          running.set(event.process, { replica, deployment, version, state: "starting" });
          break;
        }
        case "replicaState": {
          const known = running.get(event.process);
          if (known !== undefined) known.state = event.state;
          break;
        }
        case "processEnded":
          running.delete(event.process);
          break;
        default:
      }
      return undefined;
    },
    atEnd: difference,
    isConverged: () => difference() === undefined,
  };
}
