import type { Clock, Timer } from "../../core/clock.ts";
import type { AbandonedRun, BatchWork } from "../../core/construction.ts";
import { HEARTBEAT_MS, MOST_STUCK_AFTER_MS, STUCK_AFTER_MS, STUCK_AFTER_RUNS } from "../../core/limits.ts";
import type { Replica } from "./replica.ts";
import { UtilisationMeter, type WorkedMs } from "./utilisation.ts";
import type { Vitals } from "./vitals.ts";

/**
 * Looks once a second at what a ready replica does: how much of the time it is at work, and whether a batch or a model
 * runs that nobody waits for any more. Such a run is let go on for a while after its last caller went: callers may leave
 * early, and models be slow. Then it is taken for one that will never end, and the replica for one that cannot do its work.
 */

/** What a watch is made of. */
export type SelfWatchDeps = {
  readonly clock: Clock;
  readonly vitals: Vitals;
  readonly replica: Pick<Replica, "requestMs">;
  readonly maxOngoingRequests: number;
  /** How much each batch method has done, by name. */
  readonly batchWork: () => readonly (readonly [method: string, work: BatchWork])[];
  /** Once a second. */
  readonly onLook: (utilisation: number) => void;
  /** Called at most once. `giveUp` fails what waits for the run to end. */
  readonly onStuck: (reason: string, giveUp: AbandonedRun["giveUp"]) => void;
};

/** The watch of one replica over itself. */
export class SelfWatch {
  readonly #deps: SelfWatchDeps;
  readonly #meter: UtilisationMeter;
  /** Since when nobody waits, by run. */
  #abandonedSince = new Map<string, number>();
  #timer: Timer | undefined;
  #isStuck = false;
  #isClosed = false;

  constructor(deps: SelfWatchDeps) {
    this.#deps = deps;
    this.#meter = new UtilisationMeter(() => partsOf(deps), deps.clock.now());
  }

  start(): void {
    if (this.#isClosed) return;
    this.#timer = this.#deps.clock.after(HEARTBEAT_MS, () => {
      this.#look();
      this.start();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #look(): void {
    const { clock, onLook, onStuck } = this.#deps;
    const now = clock.now();
    onLook(this.#meter.look(now));
    const since = new Map<string, number>();
    for (const [key, what, run] of this.#abandoned()) {
      const begin = this.#abandonedSince.get(key) ?? now;
      since.set(key, begin);
      if (now < stuckAt(run, begin) || this.#isStuck) continue;
      this.#isStuck = true;
      const seconds = Math.round((now - begin) / 1_000);
      onStuck(`${what} has not settled for ${seconds} s although all its callers are gone`, run.giveUp);
    }
    this.#abandonedSince = since;
  }

  *#abandoned(): Iterable<readonly [key: string, what: string, run: AbandonedRun]> {
    const { batchWork, vitals } = this.#deps;
    for (const [method, { abandonedRun }] of batchWork()) {
      if (abandonedRun === undefined) continue;
      yield [`${method} ${abandonedRun.id}`, `the batch handler of ${method}`, abandonedRun];
    }
    for (const run of vitals.abandonedRuns()) yield [`model ${run.id}`, `a run of ${run.name}`, run];
  }
}

/**
 * When a run that nobody has waited for since then will not end any more. With a model of 20 s, whose caller of 60 s left
 * after 1 s: 60 s later, and not at 6 s.
 */
function stuckAt({ deadlineAt, longestMs }: AbandonedRun, abandonedAt: number): number {
  const usualMs = Math.min(longestMs * STUCK_AFTER_RUNS, MOST_STUCK_AFTER_MS);
  return Math.max(deadlineAt, abandonedAt + Math.max(STUCK_AFTER_MS, usualMs));
}

function partsOf({ vitals, replica, maxOngoingRequests, batchWork }: SelfWatchDeps): WorkedMs[] {
  return [
    () => vitals.loopActiveMs(),
    () => vitals.modelBusyMs(),
    (now) => replica.requestMs(now) / Math.max(1, maxOngoingRequests),
    ...batchWork().map(
      ([, { busyMs }]) =>
        () =>
          busyMs,
    ),
  ];
}
