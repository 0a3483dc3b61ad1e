/**
 * An open-loop load: requests leave on a schedule of their own, whether or not earlier ones were answered, so that a slow
 * server cannot slow down the load that measures it. Latency counts from the moment a request was due, not from when it
 * was sent (coordinated omission). Every request ends in exactly one outcome; one that finds every connection busy ends
 * at once as `unsent`, because to wait would be to let the server set the pace again.
 */
import { type Arrivals, ArrivalSchedule } from "./arrival-schedule.ts";
import { type LoadDeps, machineLoadDeps } from "./load-deps.ts";
import { readTarget } from "./load-request.ts";
import type { LoadReport } from "./load-report.ts";
import { type RunningLoad, Traffic, type TrafficOptions } from "./traffic.ts";

/** What to send, how often, and when to give up on an answer. */
export type LoadOptions = TrafficOptions & {
  readonly ratePerSecond: number;
  /** Default `fixed`. */
  readonly arrivals?: Arrivals | undefined;
  /** Default DEFAULT_MOST_CONNECTIONS. */
  readonly mostConnections?: number | undefined;
  /** Sends to the microsecond, at the price of a core that never rests. Default: as timers do, a millisecond late. */
  readonly isPrecise?: boolean | undefined;
};

/** Connections of an open load: a server that holds so many requests at once has long lost its race with the load. */
export const DEFAULT_MOST_CONNECTIONS = 4_096;
/** Timers are about so late; before that a precise load stops using them. */
const TIMER_LAG_MS = 2;
/** Time limits are looked at this often when nothing else is to be done. */
const LONGEST_PAUSE_MS = 5;

/** Starts a load at once. @throws {TypeError} when the URL is none that a load can go to. */
export function startLoad(options: LoadOptions, deps: LoadDeps = machineLoadDeps): RunningLoad {
  return new OpenLoad(options, deps);
}

class OpenLoad implements RunningLoad {
  readonly #deps: LoadDeps;
  readonly #traffic: Traffic;
  readonly #schedule: ArrivalSchedule;
  readonly #startedAt: number;
  readonly #isPrecise: boolean;
  #report: Promise<LoadReport> | undefined;
  #isClosed = false;

  constructor(options: LoadOptions, deps: LoadDeps) {
    const target = readTarget(options.url);
    if (target === undefined) throw new TypeError(`"${options.url}" is not the URL of an HTTP server`);
    const mostConnections = options.mostConnections ?? DEFAULT_MOST_CONNECTIONS;
    this.#deps = deps;
    this.#traffic = new Traffic(deps.clock, target, { ...options, mostConnections });
    this.#schedule = new ArrivalSchedule(options.ratePerSecond, options.arrivals ?? "fixed", deps.random);
    this.#isPrecise = options.isPrecise ?? false;
    this.#startedAt = deps.clock.now();
    this.#turn();
  }

  get sent(): number {
    return this.#traffic.sent;
  }

  stop(): Promise<LoadReport> {
    this.#report ??= this.#traffic.close().finally(() => (this.#isClosed = true));
    return this.#report;
  }

  /** Sends what has come due since the last turn, ends what ran out of time, and comes back for the next. */
  #turn(): void {
    if (this.#isClosed) return;
    const { clock, defer } = this.#deps;
    const elapsedMs = clock.now() - this.#startedAt;
    while (this.#report === undefined && this.#schedule.nextDueMs <= elapsedMs) {
      this.#traffic.send(this.#startedAt + this.#schedule.nextDueMs);
      this.#schedule.advance();
    }
    this.#traffic.expire();
    const pauseMs = this.#startedAt + this.#schedule.nextDueMs - clock.now();
    const isNear = this.#isPrecise && this.#report === undefined && pauseMs < TIMER_LAG_MS;
    if (isNear) defer(() => this.#turn());
    else {
      const timerMs = this.#isPrecise ? pauseMs - TIMER_LAG_MS : pauseMs;
      clock.after(Math.min(LONGEST_PAUSE_MS, Math.max(1, timerMs)), () => this.#turn());
    }
  }
}
