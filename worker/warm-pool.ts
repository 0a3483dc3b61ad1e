/**
 * Blank replica processes: started, runtime and model runtime loaded, waiting for an order, because loading takes
 * twenty times as long as the order itself. The pool is refilled when nothing starts any more, or after a moment: a
 * blank that loads beside a replica that loads would only slow it.
 */
import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { REFILL_AFTER_MS, RESTART_BACKOFF } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { Child, Children } from "./children.ts";

/** What {@link WarmPool} is made from. */
export type WarmPoolDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly children: Children;
  /** Blanks to keep. */
  readonly size: number;
  /** Host that replicas listen on. */
  readonly nodeHost: string;
  /** Inspector of one replica at a time; undefined: none. */
  readonly inspect: Address | undefined;
};

/** A process for a replica, and whether it was at hand. */
export type TakenProcess = { readonly child: Child; readonly pool: "warm" | "cold" };

/** The node's blanks. */
export class WarmPool {
  readonly #deps: WarmPoolDeps;
  readonly #blanks = new Set<Child>();
  /** Blanks that ended without being used, in a row; a broken installation is not to be a loop of starts. */
  #failures = 0;
  #timer: Timer | undefined;
  #inspected: Child | undefined;
  #isClosed = false;

  constructor(deps: WarmPoolDeps) {
    this.#deps = deps;
  }

  /** Starts as many blanks as are missing, now. */
  fill(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isClosed) return;
    while (this.#blanks.size < this.#deps.size) this.#blanks.add(this.#spawn(undefined));
  }

  /** Adds a blank that an earlier worker left. */
  adopt(child: Child): void {
    this.#blanks.add(child);
  }

  /** A process for a replica: a connected blank, else one that still loads, else a new one. */
  take(): TakenProcess {
    this.#refillLater(REFILL_AFTER_MS);
    if (this.#deps.inspect !== undefined && this.#inspected === undefined) {
      this.#inspected = this.#spawn(this.#deps.inspect);
      return { child: this.#inspected, pool: "cold" };
    }
    const ready = [...this.#blanks].find((child) => child.link !== undefined);
    const child = ready ?? this.#blanks.values().next().value ?? this.#spawn(undefined);
    this.#blanks.delete(child);
    return { child, pool: ready === undefined ? "cold" : "warm" };
  }

  /** A blank connected: the installation works. */
  connected(child: Child): void {
    if (this.#blanks.has(child)) this.#failures = 0;
  }

  /** Nothing starts any more: a refill that only waited for that need not wait longer. */
  idle(): void {
    if (this.#timer !== undefined && this.#failures === 0) this.fill();
  }

  /** Whether a child that is gone was a blank. */
  gone(child: Child): boolean {
    if (this.#inspected === child) this.#inspected = undefined;
    if (!this.#blanks.delete(child)) return false;
    this.#refillLater(backoff(this.#failures++, RESTART_BACKOFF, this.#deps.random));
    return true;
  }

  /** Ends all blanks, for good. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const child of this.#blanks) this.#deps.children.end(child);
  }

  #refillLater(delayMs: number): void {
    if (!this.#isClosed) this.#timer ??= this.#deps.clock.after(delayMs, () => this.fill());
  }

  #spawn(inspect: Address | undefined): Child {
    return this.#deps.children.spawn("replica", { listen: { host: this.#deps.nodeHost, port: 0 }, inspect });
  }
}
