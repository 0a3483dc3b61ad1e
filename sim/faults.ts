import type { Random } from "../core/random.ts";
import { between, oneOf } from "./seed.ts";

/**
 * What goes wrong in a run, drawn from the seed. Each fault begins, lasts and is repaired by itself; when the time for
 * faults is over everything that still lasts is repaired at once. Words: partition, repair, stop (SIGSTOP), crash
 * (kill -9), power loss (a machine with all it runs).
 */

/** One thing that can be done to the world; it is undone by calling what `begin` returns, if there is something to undo. */
export type Fault = {
  /** Processes and hosts that it touches. */
  readonly targets: readonly string[];
  readonly begin: () => (() => void) | undefined;
};

/** Faults by name. Each returns undefined when there is nothing just now that it could hit. */
export type FaultKinds = Readonly<Record<string, (random: Random) => Fault | undefined>>;

/** When and how long. */
export type FaultOptions = {
  readonly kinds: FaultKinds;
  /** Virtual instants between which faults begin. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Time from one fault to the next, on average. */
  readonly everyMs: number;
  /** How long those that last do. */
  readonly leastMs: number;
  readonly mostMs: number;
};

/** What the schedule runs on. */
export type FaultDeps = {
  readonly random: Random;
  readonly after: (delayMs: number, callback: () => void) => void;
  readonly now: () => number;
  readonly onFault: (fault: string, target: string, action: "begin" | "end") => void;
};

/** Draws and applies the faults of a run. */
export class FaultSchedule {
  readonly #deps: FaultDeps;
  readonly #options: FaultOptions;
  readonly #lasting = new Set<() => void>();
  readonly #counts: Map<string, number>;
  /** Faults still to come before a kind comes again, so that one seed shows many kinds. */
  #bag: string[] = [];

  constructor(deps: FaultDeps, options: FaultOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#counts = new Map(Object.keys(options.kinds).map((kind) => [kind, 0]));
  }

  /** How often each kind has begun; 0 for those that have not yet. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  start(): void {
    const { fromMs, untilMs } = this.#options;
    const { after, now } = this.#deps;
    after(fromMs - now(), () => this.#next());
    after(untilMs - now(), () => this.repairAll());
  }

  /** Undoes whatever lasts. */
  repairAll(): void {
    for (const repair of [...this.#lasting]) repair();
  }

  #next(): void {
    const { random, after, now } = this.#deps;
    if (now() >= this.#options.untilMs) return;
    this.#hit();
    // Exponential, so that two sometimes come together.
    const gapMs = -Math.log(1 - random.next()) * this.#options.everyMs;
    after(Math.max(1, gapMs), () => this.#next());
  }

  #hit(): void {
    const { random, after, onFault } = this.#deps;
    const { kinds, leastMs, mostMs } = this.#options;
    if (this.#bag.length === 0) this.#bag = Object.keys(kinds);
    const name = oneOf(random, this.#bag);
    if (name === undefined) return;
    this.#bag.splice(this.#bag.indexOf(name), 1);
    const fault = kinds[name]?.(random);
    if (fault === undefined) return;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    for (const target of fault.targets) onFault(name, target, "begin");
    const undo = fault.begin();
    const repair = (): void => {
      if (!this.#lasting.delete(repair)) return;
      undo?.();
      for (const target of fault.targets) onFault(name, target, "end");
    };
    this.#lasting.add(repair);
    if (undo === undefined) repair();
    else after(between(random, leastMs, mostMs), repair);
  }
}
