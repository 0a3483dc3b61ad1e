import type { AssignedReplica, ReplicaReport } from "../core/assignment.ts";
import type { Timer } from "../core/clock.ts";
import type { ReplicaHealth, ReplicaState } from "../core/replica-state.ts";
import type { ReplicaOrder, ReplicaProcessReport } from "../proto/control/message.ts";
import type { Child } from "./children.ts";
import type { KnownPhase, KnownReplica } from "./decide/assign.ts";
import type { EndedReplica } from "./decide/restart.ts";
import type { TakenProcess } from "./warm-pool.ts";

/** Why a replica has no process, or will have none in a moment. */
export type ReplicaFailure = {
  readonly reason: string;
  readonly cause: EndedReplica["cause"];
  /** What metrics call it; undefined: as its process's end. */
  readonly label?: "blocked" | "stopped" | "outOfMemory";
};

/** What is known of the event loop of one replica's process. Instants are the worker's. */
export type ReplicaVitalSigns = {
  readonly heardAt: number;
  /** Until when what was ongoing then may take; undefined: nothing had a deadline. */
  readonly deadlineAt: number | undefined;
  readonly ongoing: number;
  readonly stoppedSince: number | undefined;
  readonly health: ReplicaHealth;
  /** Why it is not `beating`; empty when it is. */
  readonly reason: string;
  /** When the reason was put into words. */
  readonly reasonAt: number;
};

/** What is known of the memory of one replica's process. */
type ReplicaMemory = {
  readonly usedBytes: number;
  readonly overCount: number;
  /** At the first look after it was ready; 0 for one that an earlier worker left. */
  readonly baseBytes: number;
  /** The limit at the newest look. */
  readonly limitBytes: number;
  /** Why it asks to be replaced; empty: it does not. Stays until its process is gone, or its limit is raised. */
  readonly retireReason: string;
};

/** All a worker knows of one assigned replica, over restarts of its process. Changed by `ReplicaKeeper` alone. */
export type ReplicaRecord = {
  assigned: AssignedReplica;
  phase: KnownPhase;
  /** What is said of it while it is not ready. */
  reason: string;
  child: Child | undefined;
  pool: TakenProcess["pool"];
  /** Undefined until a process was told; kept for the report of one that ended. */
  order: ReplicaOrder | undefined;
  /** Newest of its process; undefined without one. */
  report: ReplicaProcessReport | undefined;
  failure: ReplicaFailure | undefined;
  startedAt: number;
  readyAt: number | undefined;
  restartAt: number | undefined;
  /** Wait before that start. */
  restartDelayMs: number;
  /** Of its event loop; undefined until that is heard. */
  vitalSigns: ReplicaVitalSigns | undefined;
  /** Undefined until its process was weighed. */
  memory: ReplicaMemory | undefined;
  restarts: number;
  failedStarts: number;
  /** Why the last of them failed; its `reason` is how far the next one is. */
  startFailure: string;
  crashes: number;
  /** Stops the fetching of its bundle. */
  preparing: AbortController | undefined;
  /** Limit of what it does just now: starting or draining. */
  limit: Timer | undefined;
};

/** A replica that was just assigned. */
export function createRecord(assigned: AssignedReplica): ReplicaRecord {
  return {
    assigned,
    phase: "stopped",
    reason: "",
    child: undefined,
    pool: "cold",
    order: undefined,
    report: undefined,
    failure: undefined,
    startedAt: 0,
    readyAt: undefined,
    restartAt: undefined,
    restartDelayMs: 0,
    vitalSigns: undefined,
    memory: undefined,
    restarts: 0,
    failedStarts: 0,
    startFailure: "",
    crashes: 0,
    preparing: undefined,
    limit: undefined,
  };
}

/** A record as `decide/assign.ts` sees it. */
export function toKnown(record: ReplicaRecord): KnownReplica {
  const { assigned, phase, restartAt, order } = record;
  return { id: assigned.id, phase, restartAt, options: (order?.launch ?? assigned.launch).options };
}

/** A record as the controller sees it. */
export function toReport(record: ReplicaRecord): ReplicaReport {
  const { assigned, child, order, report, restarts, failedStarts } = record;
  const state = stateOf(record);
  const isStalled = record.vitalSigns !== undefined && record.vitalSigns.health !== "beating";
  return {
    id: assigned.id,
    deployment: assigned.deployment,
    version: assigned.version,
    state,
    reason: reasonOf(record, state),
    pid: child?.run.pid ?? 0,
    address: report?.address,
    callSecret: order?.callSecret ?? "",
    maxOngoingRequests: report?.maxOngoingRequests ?? 0,
    // What does not run cannot say that it is at work.
    ongoing: isStalled ? (record.vitalSigns?.ongoing ?? 0) : (report?.ongoing ?? 0),
    utilisation: isStalled ? 1 : (report?.utilisation ?? 0),
    health: record.vitalSigns?.health ?? "beating",
    isRetiring: report?.isRetiring === true || (record.memory?.retireReason ?? "") !== "",
    provider: report?.provider ?? "",
    // What a process of an older release wrote down lacks them.
    batches: report?.batches ?? [],
    restarts,
    restartDelayMs: record.phase === "waiting" && record.restartAt !== undefined ? record.restartDelayMs : 0,
    failedStarts,
    gpus: assigned.launch.gpus,
  };
}

/** A ready replica has one too where it is not well, is to be replaced, or could not take its new options. */
function reasonOf(record: ReplicaRecord, state: ReplicaState): string {
  const { vitalSigns, memory, report, reason, failedStarts, startFailure } = record;
  if (state === "draining") return vitalSigns?.reason || reason;
  // How far the next try is tells nobody what is wrong, and a version is given up for what is told at that moment.
  if (state === "starting" && failedStarts > 0) return startFailure;
  if (state !== "ready") return reason;
  return vitalSigns?.reason || memory?.retireReason || (report?.reason ?? "");
}

function stateOf({ phase, failure }: ReplicaRecord): ReplicaState {
  // Known to have failed, although its process takes a moment to end: routers are to leave it now.
  if (failure !== undefined) return "failed";
  switch (phase) {
    case "waiting":
      return "failed";
    case "starting":
    case "ready":
    case "draining":
    case "stopped":
      return phase;
    case "ending":
      return "draining";
  }
}
