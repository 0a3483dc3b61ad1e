import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { streamOf } from "./seed.ts";
import type { SimClock } from "./sim-clock.ts";

/**
 * One simulated process: a scope for everything that can wake its code. States:
 *
 *   running ⇄ paused (SIGSTOP … SIGCONT: what should have woken it happens, in order, when it goes on)
 *   running | paused → dead (kill -9: nothing wakes it again; promises it still holds never settle)
 *
 * Its clock starts at an origin of its own, as a real process's does, so that an instant which is sent to another
 * process and compared there is found out.
 */

/** How a process ended. */
export type Death = {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** The machine went with it: its kernel closed no socket, peers hear nothing. */
  readonly isSilent: boolean;
};

/** Of `kill -9`. */
export const KILLED: Death = { exitCode: undefined, signal: "SIGKILL", isSilent: false };

/** Of a machine that lost power. */
export const POWER_LOST: Death = { exitCode: undefined, signal: undefined, isSilent: true };

/** What a process is made from. */
export type SimProcessOptions = {
  readonly clock: SimClock;
  readonly seed: number;
  /** Unique over the whole run. */
  readonly name: string;
  /** Machine it runs on. */
  readonly host: string;
  readonly pid: number;
};

/** Clocks of processes start at different whole hundreds of seconds. */
const ORIGINS = 900;

/** One simulated process. */
export class SimProcess {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  #state: "running" | "paused" | "dead" = "running";
  #waiting: (() => void)[] = [];
  #deathListeners: ((death: Death) => void)[] = [];
  readonly #world: SimClock;

  constructor(options: SimProcessOptions) {
    this.name = options.name;
    this.host = options.host;
    this.pid = options.pid;
    this.random = streamOf(options.seed, `process ${options.name}`);
    const world = options.clock;
    this.#world = world;
    const origin = 100_000 * (1 + Math.floor(streamOf(options.seed, `origin ${options.name}`).next() * ORIGINS));
    this.clock = {
      now: () => world.now() + origin,
      wallTime: () => world.wallTime(),
      after: (delayMs, callback) => world.after(delayMs, () => this.run(callback), this),
    };
  }

  get isAlive(): boolean {
    return this.#state !== "dead";
  }

  /** Timers of its code that wait. */
  get timerCount(): number {
    return this.#world.countOf(this);
  }

  get isPaused(): boolean {
    return this.#state === "paused";
  }

  /** Runs `task` in this process: now, after the pause, or never. */
  run(task: () => void): void {
    if (this.#state === "dead") return;
    if (this.#state === "paused") this.#waiting.push(task);
    else task();
  }

  /** What `setImmediate` is in production: after the code that runs now, at the same instant. */
  readonly defer = (callback: () => void): void => {
    this.clock.after(0, callback);
  };

  /** A promise that settles as `promise` does, but never once this process is dead, and only when it is not paused. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.run(() => resolve(value)),
        (error: unknown) => this.run(() => reject(error as Error)),
      );
    });
  }

  /** Calls back once when it dies; at once if it is dead already. Runs outside the process. */
  onDeath(listener: (death: Death) => void): void {
    if (this.#state === "dead") listener(KILLED);
    else this.#deathListeners.push(listener);
  }

  /** Ends it. Anything that was to wake it is forgotten. */
  die(death: Death): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#waiting = [];
    const listeners = this.#deathListeners;
    this.#deathListeners = [];
    for (const listener of listeners) listener(death);
  }

  /** SIGSTOP. */
  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  /** SIGCONT: what was held back happens now, in order, each as an event of its own. */
  resume(): void {
    if (this.#state !== "paused") return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#state = "running";
    for (const task of waiting) this.#world.after(0, () => this.run(task));
  }
}
