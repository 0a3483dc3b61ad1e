import type { Random } from "./random.ts";

/** Bounds of an exponential backoff. */
export type BackoffBounds = { readonly firstMs: number; readonly mostMs: number };

/**
 * How long to wait before attempt `attempt` (0: the first retry). Doubles from `firstMs` up to `mostMs`, then takes a
 * random 50–100 % of it so that many retrying at once spread out: with 100 and 10,000, attempt 3 waits 400–800 ms.
 */
export function backoff(attempt: number, bounds: BackoffBounds, random: Random): number {
  const full = Math.min(bounds.mostMs, bounds.firstMs * 2 ** Math.min(attempt, 30));
  return full * (0.5 + random.next() / 2);
}
