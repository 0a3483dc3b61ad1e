import { type Random, seededRandom } from "../core/random.ts";

/**
 * A generator for one concern of the world, such as `faults` or `net`. Each has a stream of its own, so that a further
 * draw in one does not change all the others.
 */
export function streamOf(seed: number, name: string): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return seededRandom(hash);
}

/** A number in [low, high). */
export function between(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low);
}

/** One of `items`, all equally likely; undefined of none. */
export function oneOf<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random.next() * items.length)];
}

/** True once in `1 / probability` calls. */
export function chance(random: Random, probability: number): boolean {
  return random.next() < probability;
}
