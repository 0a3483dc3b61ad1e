import { batch, type BatchInput } from "./batch.ts";

/** What a run of a batch is expected to take, in milliseconds, and how far it usually is from that. */
export type ExpectedRun = { readonly runMs: number; readonly deviationMs: number };

/** What waits, as an idle handler would know it at the end of the batch that runs. */
export type AheadInput = Omit<BatchInput, "waitedMs" | "gapMs">;

/** What to do about the next batch while one still runs, and why. */
export type AheadDecision =
  /** `full`: no more may run together. `sooner`: more might, but waiting for them would be the later end for all. */
  | { readonly kind: "handOver"; readonly reason: "full" | "sooner" }
  /** All is decided when the present one has ended. `nobody` waits. `pause`: others are about to come back then. */
  | { readonly kind: "wait"; readonly reason: "nobody" | "pause" };

/**
 * What the model stands idle for where the next batch is only cut after the end of the one before: answers go out, the
 * event loop ends its turn, and tensors travel to another thread. A timer may be late by as much.
 */
const HAND_OVER_MS = 1;
/** Most of a run that may be put down to its usually being shorter or longer. */
const MOST_DEVIATION_SHARE = 0.25;
/** Most of a run before whose end the next batch is handed over: who comes in that time misses it. */
const MOST_LEAD_SHARE = 0.5;

/** How long before its expected end a run is followed up: enough for the hand-over, and for a run as short as is usual. */
export function leadMs({ runMs, deviationMs }: ExpectedRun): number {
  return Math.min(MOST_LEAD_SHARE * runMs, HAND_OVER_MS + Math.min(MOST_DEVIATION_SHARE * runMs, deviationMs));
}

/**
 * Decides, shortly before the present batch ends, whether what waits is handed over to run right after it. It is where it would
 * be run at once at `endsAt` too; a pause then has to save at least what the model stands idle for: 28 wait and 36 run, who come
 * back 2 ms after their end. Where runs of 28, 36 and 64 take 13, 16 and 26 ms, two take 29 ms, and the pause and one 28: not
 * worth it. With 1 waiting and 15 running, 5 and 8.3 ms, and 8.5 ms together, the pause saves 2.8 ms.
 */
export function ahead(input: AheadInput, endsAt: number, now: number): AheadDecision {
  // Too late to be there at the end it saves less.
  const gapMs = Math.min(HAND_OVER_MS, endsAt - now);
  const decision = batch({ ...input, waitedMs: 0, gapMs }, endsAt);
  switch (decision.kind) {
    case "idle":
      return { kind: "wait", reason: "nobody" };
    case "pause":
      return { kind: "wait", reason: "pause" };
    case "run":
      return { kind: "handOver", reason: decision.reason === "full" ? "full" : "sooner" };
  }
}
