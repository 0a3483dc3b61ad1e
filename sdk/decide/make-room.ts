/** What takes room in a cache of models, and what wants some. */
export type RoomInput = {
  readonly maxModels: number;
  /** Infinity: however large they are. */
  readonly maxBytes: number;
  readonly loadingCount: number;
  readonly loadedCount: number;
  /** Of those that are loaded the ones that nobody uses. */
  readonly idleCount: number;
  readonly closingCount: number;
  readonly loadedBytes: number;
  /** Of models that are being closed: not free yet. */
  readonly closingBytes: number;
  /** Mean of the models that were loaded so far; 0 before the first. */
  readonly usualBytes: number;
  /** Models that wait to be loaded. */
  readonly waitingCount: number;
};

/** What to do next: begin the load that has waited longest, close the idle model that was used longest ago, or nothing. */
export type RoomDecision =
  | { readonly kind: "load" }
  | { readonly kind: "evict"; readonly reason: "room" | "bytes" }
  | { readonly kind: "wait"; readonly reason: "nobodyWaits" | "closing" | "loading" | "inUse" };

/**
 * Decides what a cache of models does next; asked again after each step until it says to wait.
 *
 * A load begins only when there is room for it, so that never more than `maxModels` are loaded, loading or closing. How
 * large a model is shows when it is loaded; until then it is taken for as large as they usually are.
 *
 * Where room must be made, at most half of the room is given to models that come, and so many loaded ones go on
 * being used: in simulation, loads that come faster than room is free otherwise push out the models that are asked for
 * most, whose requests then make loads of their own (five rooms: two at a time; 0.98 of the best hit rate, not 0.94).
 */
export function makeRoom(input: RoomInput): RoomDecision {
  const { maxModels, maxBytes, loadingCount, loadedCount, closingCount, waitingCount, usualBytes } = input;
  if (waitingCount === 0) return trim(input);
  const takenCount = loadingCount + loadedCount + closingCount;
  const expectedBytes = input.loadedBytes + input.closingBytes + (loadingCount + 1) * usualBytes;
  const hasPlace = takenCount < maxModels;
  // One that is larger than maxBytes by itself is loaded when it is alone: there is no better moment.
  if (hasPlace && (takenCount === 0 || expectedBytes <= maxBytes)) return { kind: "load" };
  // Each that closes makes a place for one that waits; how many bytes it frees is best seen when it is gone.
  if (closingCount >= (hasPlace ? 1 : waitingCount)) return { kind: "wait", reason: "closing" };
  if (loadingCount + closingCount >= Math.max(1, Math.floor(maxModels / 2))) return { kind: "wait", reason: "loading" };
  if (input.idleCount === 0) return { kind: "wait", reason: "inUse" };
  return { kind: "evict", reason: hasPlace ? "bytes" : "room" };
}

/** Nobody waits: what is too much goes, but for the last, or a model larger than maxBytes would be loaded for every use. */
function trim({ maxBytes, loadedBytes, loadedCount, idleCount }: RoomInput): RoomDecision {
  if (loadedBytes > maxBytes && idleCount > 0 && loadedCount > 1) return { kind: "evict", reason: "bytes" };
  return { kind: "wait", reason: "nobodyWaits" };
}
