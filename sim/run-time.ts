import type { Random } from "../core/random.ts";
import { chance } from "./seed.ts";

/** How a simulated model behaves. */
export type RunTimeOptions = {
  /** A run of n items takes `fixedMs + n × perItemMs`, give or take a fifth. */
  readonly fixedMs: number;
  readonly perItemMs: number;
  /** Share of runs that throw. */
  readonly failureShare: number;
  /** Share of runs that take `stallMs` longer: a page fault, a collection of garbage. */
  readonly stallShare: number;
  readonly stallMs: number;
};

/** How long the next run of `items` takes, and whether it throws. `slowdown` is 1 unless a fault made the replica slow. */
export function nextRun(
  options: RunTimeOptions,
  items: number,
  slowdown: number,
  random: Random,
): { readonly ms: number; readonly isFailed: boolean } {
  const usualMs = (options.fixedMs + items * options.perItemMs) * (0.8 + 0.4 * random.next());
  const stallMs = chance(random, options.stallShare) ? options.stallMs : 0;
  return { ms: (usualMs + stallMs) * slowdown, isFailed: chance(random, options.failureShare) };
}
