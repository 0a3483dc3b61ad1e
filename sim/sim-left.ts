import type { DeploymentId } from "../core/ids.ts";
import type { DeploymentLoad } from "../core/load.ts";
import type { EventSink } from "./event.ts";
import type { SimProcess } from "./sim-process.ts";

/** What a process's routers said last of the requests they have. */
export type RequestsLeft = Map<DeploymentId, number>;

/** Takes in what routers tell: the last report of a deployment says whether anything is left of it. */
export function noteRequests(left: RequestsLeft, loads: readonly DeploymentLoad[]): void {
  for (const { deployment, queued, ongoingMean } of loads) left.set(deployment, queued + Math.ceil(ongoingMean));
}

/** All of them. */
export function sumOf(left: RequestsLeft): number {
  return [...left.values()].reduce((sum, count) => sum + count, 0);
}

/** Tells what a process still has when the run is over. */
export function emitLeft(process: SimProcess, role: string, sink: EventSink, requests: number): void {
  if (process.isAlive) sink({ kind: "left", process: process.name, role, timers: process.timerCount, requests });
}
