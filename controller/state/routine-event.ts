import type { NodeReport, ReplicaReport } from "../../core/assignment.ts";
import { isSameData } from "../../core/same-data.ts";
import { type ClusterState, isWaitedFor } from "../decide/cluster.ts";
import type { ClusterEvent } from "./cluster-state.ts";

/**
 * Whether an event tells only that a node still lives, how busy its replicas are or how far their starts are, or that its
 * routers have a table that others lack still, or a value of a metric or a policy's answer to go by. Such come all the time, a thousand a second from a thousand nodes, and
 * nothing has to be decided at once because of them.
 */
export function isRoutine(state: ClusterState, event: ClusterEvent): boolean {
  if (event.kind === "metricTold" || event.kind === "policyAnswered") return true;
  if (event.kind !== "nodeHeard" && event.kind !== "replicasReported") return false;
  const node = state.nodes.get(event.node);
  if (node?.state !== "live" && node?.state !== "draining") return false;
  if (event.kind === "nodeHeard") {
    return hasSame(node.report, event.report, isWaitedFor(state, node) ? NOTHING : TABLE);
  }
  return event.reports.every((report) => {
    const known = state.replicas.get(report.id);
    if (known?.report === undefined || known.node !== event.node) return false;
    return hasSame(known.report, report, PROGRESS);
  });
}

const NOTHING: ReadonlySet<string> = new Set();
const TABLE: ReadonlySet<string> = new Set<keyof NodeReport>(["tableEpoch", "tableVersion"]);
const PROGRESS: ReadonlySet<string> = new Set<keyof ReplicaReport>(["reason", "ongoing", "utilisation", "batches"]);

/** Whether two reports differ in `routine` fields at most. */
function hasSame<T extends object>(one: T, other: T, routine: ReadonlySet<string>): boolean {
  const names = Object.keys(other);
  // A field may be missing where it says nothing, and be there the next time.
  if (names.length !== Object.keys(one).length) return false;
  return names.every((name) => routine.has(name) || isSameData(one[name as keyof T], other[name as keyof T]));
}
