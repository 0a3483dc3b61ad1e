import type { Random } from "../core/random.ts";
import { chance } from "./seed.ts";

/** Delays of messages between hosts. */
export type LatencyOptions = {
  /** Least delay on one host, and between two. */
  readonly localMs: number;
  readonly remoteMs: number;
  /** Share of messages that take long, and how long at most. */
  readonly slowShare: number;
  readonly slowMs: number;
};

/** A quiet network of one data centre. */
export const CALM: LatencyOptions = { localMs: 0.05, remoteMs: 0.3, slowShare: 0.001, slowMs: 5 };

/** A network that hiccups. */
export const ROUGH: LatencyOptions = { localMs: 0.05, remoteMs: 0.5, slowShare: 0.02, slowMs: 40 };

/** Which host can reach which, and how long it takes. Cuts are one-way; what is sent into one is held, not lost. */
export class Topology {
  readonly #cuts = new Set<string>();
  readonly #down = new Set<string>();
  readonly #repairListeners = new Set<() => void>();
  readonly #random: Random;
  latencies: LatencyOptions;

  constructor(random: Random, latencies: LatencyOptions) {
    this.#random = random;
    this.latencies = latencies;
  }

  /** Whether a message sent now does not arrive. A host always reaches itself, unless it has no power. */
  isCut(from: string, to: string): boolean {
    if (this.#down.size > 0 && (this.#down.has(from) || this.#down.has(to))) return true;
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** Whether the machine has no power. */
  isDown(host: string): boolean {
    return this.#down.has(host);
  }

  /** Nothing gets from one to the other any more. */
  cut(from: string, to: string): void {
    if (from !== to) this.#cuts.add(`${from}>${to}`);
  }

  /** Undoes `cut`; what was held is sent. */
  repair(from: string, to: string): void {
    if (this.#cuts.delete(`${from}>${to}`)) this.#notify();
  }

  /** Undoes every cut. */
  repairAll(): void {
    this.#cuts.clear();
    this.#notify();
  }

  /** Power off and on. */
  setDown(host: string, isDown: boolean): void {
    if (isDown) this.#down.add(host);
    else this.#down.delete(host);
    this.#notify();
  }

  /** Draws how long the next message takes. */
  delay(from: string, to: string): number {
    const { localMs, remoteMs, slowShare, slowMs } = this.latencies;
    const least = from === to ? localMs : remoteMs;
    const usual = least * (1 + this.#random.next());
    return from !== to && chance(this.#random, slowShare) ? usual + this.#random.next() * slowMs : usual;
  }

  /** Calls back when a cut is gone. Returns how to stop. */
  onRepair(listener: () => void): () => void {
    this.#repairListeners.add(listener);
    return () => this.#repairListeners.delete(listener);
  }

  #notify(): void {
    for (const listener of [...this.#repairListeners]) listener();
  }
}
