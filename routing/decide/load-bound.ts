/** A replica may have so many times the mean load before what is meant for it goes to another. */
const LOAD_BOUND = 1.25;
/** Below this part of its slots no replica counts as loaded, however idle the others are. */
const UNLOADED_SHARE = 0.25;

/** How many requests are a replica's share and a little more, with one more on its way. */
export function loadBound(ongoingCount: number, readyCount: number): number {
  // 4 replicas, 15 ongoing, and this one: ⌈1.25 × 16 ÷ 4⌉ = 5 each.
  return Math.ceil((LOAD_BOUND * (ongoingCount + 1)) / Math.max(1, readyCount));
}

/** Whether a replica has more than its share. */
export function isLoaded(
  replica: { readonly ongoing: number; readonly maxOngoingRequests: number },
  bound: number,
): boolean {
  return replica.ongoing >= Math.max(bound, replica.maxOngoingRequests * UNLOADED_SHARE);
}
