/**
 * Watches the replicas of the node from outside, by the beats of their event loops and by the memory of their processes.
 *
 *   unheard (nothing is judged) → beating ⇄ busy → blocked → its process is ended       any → stopped → ended
 *
 * It looks at all of them at a timer (`decide/health.ts`), which runs from the first beat on. A worker that stood still
 * itself, because its machine slept or is overloaded, has heard nobody for that time and blames nobody for it. Ending a
 * process is final, so what does not beat because somebody looks at it in a debugger is left alone.
 */
import type { Clock, Timer } from "../core/clock.ts";
import { BUSY_AFTER_MS, HEALTH_LOOK_MS, HEARTBEAT_MS, KILL_BLOCKED_AFTER_MS, WORKER_STALL_MS } from "../core/limits.ts";
import type { BeatMessage } from "../proto/control/message.ts";
import { health, type HealthDecision } from "./decide/health.ts";
import { memory } from "./decide/memory.ts";
import { endReason, healthReason, oomText, retireText } from "./health-reason.ts";
import type { ReplicaFailure, ReplicaRecord, ReplicaVitalSigns } from "./replica-record.ts";

/** What a {@link HealthWatch} is made from. */
export type HealthWatchDeps = {
  readonly clock: Clock;
  /** The node's replicas. */
  readonly records: () => Iterable<ReplicaRecord>;
  /** A debugger may stop a replica's event loop: nobody is ended for that. */
  readonly isDebugged: boolean;
  /** Ends a replica's process; what is left of it so much later is killed. */
  readonly fail: (record: ReplicaRecord, failure: ReplicaFailure, killAfterMs: number) => void;
  /** A report has changed. */
  readonly onChange: () => void;
};

const WELL = { stoppedSince: undefined, health: "beating", reason: "", reasonAt: 0 } as const;

/** The node's watch over its replicas. */
export class HealthWatch {
  readonly #deps: HealthWatchDeps;
  #timer: Timer | undefined;
  #isClosed = false;
  #lookedAt = 0;
  #weighedAt = 0;
  /** When the worker itself went on after it had stood still. */
  #resumedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: HealthWatchDeps) {
    this.#deps = deps;
  }

  /** A replica's event loop runs. */
  heard(record: ReplicaRecord, { ongoing, deadlineInMs }: BeatMessage): void {
    const heardAt = this.#deps.clock.now();
    const deadlineAt = deadlineInMs === null ? undefined : heardAt + deadlineInMs;
    const isBack = record.vitalSigns !== undefined && record.vitalSigns.health !== "beating";
    record.vitalSigns = { ...WELL, heardAt, deadlineAt, ongoing };
    this.#arm();
    if (isBack) this.#deps.onChange();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#lookedAt = this.#deps.clock.now();
    this.#timer = this.#deps.clock.after(HEALTH_LOOK_MS, () => this.#look());
  }

  #look(): void {
    const { clock, records } = this.#deps;
    const now = clock.now();
    if (now - this.#lookedAt >= HEALTH_LOOK_MS + WORKER_STALL_MS) this.#resumedAt = now;
    const isMemoryDue = now - this.#weighedAt >= HEARTBEAT_MS;
    if (isMemoryDue) this.#weighedAt = now;
    let isAnyHeard = false;
    for (const record of records()) {
      // One that is not connected is a matter of its end, or of its adoption.
      if (record.vitalSigns === undefined || record.child?.link === undefined) continue;
      isAnyHeard = true;
      this.#judge(record, record.vitalSigns, now);
      if (isMemoryDue) this.#weigh(record, record.child.process.residentBytes());
    }
    this.#timer = undefined;
    if (isAnyHeard) this.#arm();
  }

  #judge(record: ReplicaRecord, before: ReplicaVitalSigns, now: number): void {
    const { heardAt, deadlineAt, ongoing } = before;
    const stalledMs = now - Math.max(heardAt, this.#resumedAt);
    const isStopped = stalledMs >= BUSY_AFTER_MS && record.child?.process.isStopped() === true;
    const stoppedSince = isStopped ? (before.stoppedSince ?? now) : undefined;
    // Seen for the first time is stopped too.
    const stoppedMs = stoppedSince === undefined ? 0 : Math.max(1, now - stoppedSince);
    const deadlineInMs = deadlineAt === undefined ? undefined : deadlineAt - now;
    const decision = health({ stalledMs, deadlineInMs, stoppedMs });
    const kind = decision.kind === "hung" ? "blocked" : decision.kind;
    if (kind === "beating") return;
    const isDue = kind !== before.health || now - before.reasonAt >= HEARTBEAT_MS;
    const reason = isDue ? healthReason(decision, { stalledMs, ongoing }) : before.reason;
    record.vitalSigns = { ...before, stoppedSince, health: kind, reason, reasonAt: isDue ? now : before.reasonAt };
    if (isDue) this.#deps.onChange();
    this.#act(record, decision, { stalledMs, ongoing });
  }

  #act(record: ReplicaRecord, decision: HealthDecision, known: { stalledMs: number; ongoing: number }): void {
    if (decision.kind !== "hung" && decision.kind !== "blocked") return;
    if (decision.endsInMs > 0 || this.#deps.isDebugged) return;
    if (record.failure !== undefined || record.phase === "ending") return;
    const label = decision.kind === "hung" ? "stopped" : "blocked";
    const failure = { reason: endReason(decision, known), cause: "ordinary", label } as const;
    this.#deps.fail(record, failure, KILL_BLOCKED_AFTER_MS);
  }

  #weigh(record: ReplicaRecord, usedBytes: number | undefined): void {
    if (usedBytes === undefined || record.failure !== undefined) return;
    const limitBytes = record.assigned.launch.options.memoryLimitBytes ?? 0;
    const known = record.memory;
    const before = known?.retireReason ?? "";
    // How much one that was taken over began with is not known: it is replaced too soon rather than too late.
    const baseBytes = known?.baseBytes ?? (record.child?.isAdopted === true ? 0 : usedBytes);
    const readyMs = this.#deps.clock.now() - (record.readyAt ?? this.#deps.clock.now());
    const decision = memory({ usedBytes, limitBytes, baseBytes, readyMs, overCount: known?.overCount ?? 0 });
    // Memory that was given back may be asked for again, and its replacement is on its way; another limit is another matter.
    const kept = known?.limitBytes === limitBytes ? before : "";
    const retireReason = kept === "" && decision.kind === "retire" ? retireText({ usedBytes }, limitBytes) : kept;
    record.memory = { usedBytes, baseBytes, limitBytes, overCount: decision.overCount, retireReason };
    if (decision.kind === "end") {
      const failure = { reason: oomText({ usedBytes }, limitBytes), cause: "ordinary", label: "outOfMemory" } as const;
      this.#deps.fail(record, failure, KILL_BLOCKED_AFTER_MS);
    } else if (retireReason !== before) this.#deps.onChange();
  }
}
