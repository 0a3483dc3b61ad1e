/** Items of a failed batch, by their places in it. */
export type Suspects = { readonly from: number; readonly count: number };

/** What to do with a group of items whose run failed. */
export type BisectDecision =
  /** Each half runs on its own: one item alone is to blame, most of the time. */
  | { readonly kind: "split"; readonly halves: readonly [Suspects, Suspects] }
  /** They fail. `alone`: the item to blame is found. `outOfRuns`: so many fail that it is not an item that is to blame. */
  | { readonly kind: "fail"; readonly reason: "alone" | "outOfRuns" };

/** Decides what is run again to find the item that made a batch of a pure handler fail; `runsLeft` are allowed for that. */
export function bisect({ from, count }: Suspects, runsLeft: number): BisectDecision {
  if (count <= 1) return { kind: "fail", reason: "alone" };
  if (runsLeft < 2) return { kind: "fail", reason: "outOfRuns" };
  const half = Math.ceil(count / 2);
  return {
    kind: "split",
    halves: [
      { from, count: half },
      { from: from + half, count: count - half },
    ],
  };
}

/** Runs that may be spent on a failed batch of `size`: enough to find two items among the others, wherever they are. */
export function bisectRuns(size: number): number {
  return 4 * Math.ceil(Math.log2(Math.max(1, size)));
}
