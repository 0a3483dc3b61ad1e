import { MOST_REPLICAS } from "../../core/limits.ts";

/**
 * Replicas on a circle of 32-bit hashes. A key belongs to the replica whose point comes next after the key's own hash; a
 * replica that comes or goes takes or leaves only what lies before its points, about one key in N.
 */
export type Ring = {
  /** Sorted; each is `hash × POINT_SPACE + index of the replica`. */
  readonly points: Float64Array;
};

/** Points of one replica: with 100 the shares of equal replicas differ by about a tenth. */
const VIRTUAL_NODES = 100;
/** More than the replicas there may be, and small enough that a point is a whole number below 2^53. */
const POINT_SPACE = 2 ** Math.ceil(Math.log2(MOST_REPLICAS));
/** 2^32 ÷ the golden ratio: multiples of it are spread evenly. */
const GOLDEN = 0x9e3779b9;

/** Puts replicas on a ring. Where their points lie follows from their ids alone, so that all routers agree. */
export function buildRing(ids: readonly string[]): Ring {
  const points = new Float64Array(ids.length * VIRTUAL_NODES);
  for (const [index, id] of ids.entries()) {
    const base = hash(id);
    for (let node = 0; node < VIRTUAL_NODES; node++) {
      points[index * VIRTUAL_NODES + node] = mix(base + Math.imul(node + 1, GOLDEN)) * POINT_SPACE + index;
    }
  }
  return { points: points.sort() };
}

/** Place of the first point of a key, to begin a walk at; 0 on an empty ring. */
export function firstPoint({ points }: Ring, key: string): number {
  const wanted = hash(key) * POINT_SPACE;
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? 0 : low;
}

/** Index of the replica whose point stands at this place; places beyond the last begin again. */
export function ownerAt({ points }: Ring, place: number): number {
  return (points[place % points.length] ?? 0) % POINT_SPACE;
}

/** FNV-1a over the text's UTF-16 units, mixed once more, because its own high bits differ little between short texts. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return mix(value);
}

/** The finaliser of MurmurHash3: every bit of the value changes half of the result's. */
export function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
