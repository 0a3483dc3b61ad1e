/**
 * Which of the waiting items run together.
 *
 * The item whose turn it is, the oldest of the highest priority, is always among them. With it run those that may: of its
 * key (a model, a shape), in their order, up to the limits. Where items have lengths, a batch is padded to its longest,
 * so that a long item makes every short one beside it dear; then those of about its length run with it, as many as make the
 * batch do the most useful work in its time. Items of one priority, key and length never change places.
 */

/** What is known of a waiting item. */
export type SelectItem = {
  readonly priority: number;
  /** Items of different keys never run together. */
  readonly key: string;
  /** Items are padded to the longest of their batch. undefined: they are not padded. */
  readonly length: number | undefined;
  /** undefined: its length, padding included; without that 1. */
  readonly cost: number | undefined;
};

/** What a batch may hold. */
export type SelectLimits = { readonly maxItems: number; readonly maxCost: number };

/** What a run's time is made of, in milliseconds: something for itself, and something for each padded unit of length. */
export type LengthTimes = { readonly fixedMs: number; readonly unitMs: number };

/** Items to run together. */
export type Selection<T> = {
  /** In their order. */
  readonly items: readonly T[];
  /** What they are worth of: items, or costs, or padded lengths. */
  readonly work: number;
  /** Nothing more may run with them. */
  readonly isFull: boolean;
};

/** With more that wait than this the newest are not looked at: a choice among so many is choice enough, and takes time. */
const MOST_CHOICE = 1_024;

/** Selects from what waits, in order; `times` only matters where items have lengths. */
export function select<T extends SelectItem>(
  waiting: Iterable<T>,
  limits: SelectLimits,
  times: LengthTimes | undefined,
): Selection<T> {
  const ofKey: T[] = [];
  let first: T | undefined;
  for (const item of waiting) {
    first ??= item;
    if (item.key !== first.key) continue;
    ofKey.push(item);
    // With lengths there is a choice; without, the first that fit are those that run.
    if (ofKey.length === (item.length === undefined ? limits.maxItems : MOST_CHOICE)) break;
  }
  if (first === undefined) return { items: [], work: 0, isFull: false };
  return first.length === undefined ? inOrder(ofKey, limits) : ofAboutOneLength(ofKey, limits, times);
}

/** The first that fit. One that does not ends the batch, for none may overtake it. */
function inOrder<T extends SelectItem>(ofKey: readonly T[], { maxItems, maxCost }: SelectLimits): Selection<T> {
  const items: T[] = [];
  let work = 0;
  for (const item of ofKey) {
    const cost = item.cost ?? 1;
    if (items.length > 0 && (items.length === maxItems || work + cost > maxCost)) break;
    items.push(item);
    work += cost;
  }
  return { items, work, isFull: items.length === maxItems || items.length < ofKey.length || work >= maxCost };
}

/** While nothing is known of run times: a run costs of itself what an eighth of a full batch does. */
const UNKNOWN_FIXED_SHARE = 1 / 8;

type Window = { readonly from: number; readonly to: number; readonly rate: number };

function ofAboutOneLength<T extends SelectItem>(
  ofKey: readonly T[],
  limits: SelectLimits,
  known: LengthTimes | undefined,
): Selection<T> {
  const [first] = ofKey;
  if (first === undefined) return { items: [], work: 0, isFull: false };
  const peers = ofKey.filter(({ priority }) => priority === first.priority);
  const order = new Map(ofKey.map((item, at) => [item, at]));
  const orderOf = (item: T): number => order.get(item) ?? 0;
  // Of equal lengths the newest first: whoever is left out at the short end is the newest of its length.
  const sorted = peers.toSorted((one, other) => lengthOf(one) - lengthOf(other) || orderOf(other) - orderOf(one));
  const times = known ?? { fixedMs: UNKNOWN_FIXED_SHARE * limits.maxItems * lengthOf(first), unitMs: 1 };
  const window = bestWindow(sorted, sorted.indexOf(first), limits, times);
  const items = sorted.slice(window.from, window.to + 1);
  const longest = lengthOf(items.at(-1) ?? first);
  fill(items, ofKey.slice(peers.length), { longest, limits, times });
  items.sort((one, other) => orderOf(one) - orderOf(other));
  return { items, work: items.length * longest, isFull: items.length === limits.maxItems };
}

/** Of all runs of neighbours with the item at `at` in them, the one that does the most useful work in its time. */
function bestWindow(sorted: readonly SelectItem[], at: number, limits: SelectLimits, times: LengthTimes): Window {
  let best: Window = { from: at, to: at, rate: 0 };
  for (let to = at; to < sorted.length && to - at < limits.maxItems; to++) {
    // Of equal lengths the oldest stands last: only with it may newer ones be in.
    if (lengthOf(sorted[to + 1]) === lengthOf(sorted[to])) continue;
    const window = windowUpTo(sorted, { at, to }, limits, times);
    if (window !== undefined && window.rate > best.rate) best = window;
  }
  return best;
}

/** From the longest at `to` downwards, at least to `at`, as far as it pays; undefined: not even to `at`. */
function windowUpTo(
  sorted: readonly SelectItem[],
  { at, to }: { readonly at: number; readonly to: number },
  { maxItems, maxCost }: SelectLimits,
  { fixedMs, unitMs }: LengthTimes,
): Window | undefined {
  const longest = lengthOf(sorted[to]);
  let [useful, costs, rate] = [0, 0, 0];
  for (let from = to; ; from--) {
    const item = sorted[from];
    const count = to - from + 1;
    useful += lengthOf(item);
    costs += item?.cost ?? longest;
    const nextRate = useful / (fixedMs + unitMs * count * longest);
    const isOver = item === undefined || count > maxItems || (count > 1 && costs > maxCost);
    if (from >= at && isOver) return undefined;
    if (from < at && (isOver || nextRate < rate)) return { from: from + 1, to, rate };
    rate = nextRate;
  }
}

type Filling = { readonly longest: number; readonly limits: SelectLimits; readonly times: LengthTimes };

/** Items of lower priorities take what room is left, where they are no burden. */
function fill<T extends SelectItem>(items: T[], others: readonly T[], { longest, limits, times }: Filling): void {
  const { fixedMs, unitMs } = times;
  const sum = (figure: (item: T) => number): number => items.reduce((total, item) => total + figure(item), 0);
  let [useful, costs] = [sum(lengthOf), sum(({ cost }) => cost ?? longest)];
  for (const item of others) {
    const count = items.length;
    if (count >= limits.maxItems) return;
    const [length, cost] = [lengthOf(item), item.cost ?? longest];
    const rate = useful / (fixedMs + unitMs * count * longest);
    const isBurden = (useful + length) / (fixedMs + unitMs * (count + 1) * longest) < rate;
    if (length > longest || isBurden || costs + cost > limits.maxCost) continue;
    items.push(item);
    useful += length;
    costs += cost;
  }
}

function lengthOf(item: SelectItem | undefined): number {
  return item?.length ?? 0;
}
