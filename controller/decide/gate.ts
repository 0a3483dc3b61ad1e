import { latencyQuantile } from "../../core/latency-histogram.ts";
import type { VersionLoad } from "../../core/load.ts";
import type { GateSpec } from "../../core/spec.ts";

/**
 * Whether a new version does as well as it has to. A gate holds when one of its bounds does: `most` for the figure itself,
 * `mostTimes` beside the old version's of the same time, `least` for scores that are to be high. A version that surely
 * fails is not watched to the end of its window, because every further second costs users.
 */

/** How a version's requests ended while it was watched. */
export type Outcomes = Pick<VersionLoad, "sent" | "answered" | "failed" | "firstError" | "latencies">;

/** What a judgement is made from. */
export type GateInput = {
  readonly gates: readonly GateSpec[];
  readonly newVersion: Outcomes;
  readonly oldVersion: Outcomes;
  /** What `verify` gave. */
  readonly scores: Readonly<Record<string, number>>;
  /** The window is over: what it shows counts, sure or not. */
  readonly isOver: boolean;
};

/** `cause` says which gate, with both figures. */
export type GateVerdict = { readonly kind: "holds" } | { readonly kind: "fails"; readonly cause: string };

/** No request yet. */
export const NO_OUTCOMES: Outcomes = { sent: 0, answered: 0, failed: 0, firstError: "", latencies: [] };

/** A rate that is worse by so many standard errors is no chance: once in 700 looks, and once in 6 at the end of a window. */
const SURE = 3;
const LIKELY = 1;
/** One failure in few requests is a high rate, and says little: a version that errs on 0.5 % would be refused once in ten. */
const LEAST_FAILED = 2;
const LEAST_FAILED_EARLY = 3;
/** Fewer requests than this say nothing of how long requests take. */
const LEAST_TIMED = 10;
/** A quantile counts only where so many requests took longer. */
const LEAST_BEYOND = 5;

/** Judges a version by its gates. */
export function judge(input: GateInput): GateVerdict {
  for (const gate of input.gates) {
    const cause = failureOf(gate, input);
    if (cause !== undefined) return { kind: "fails", cause };
  }
  return { kind: "holds" };
}

function failureOf(gate: GateSpec, input: GateInput): string | undefined {
  switch (gate.metric) {
    case "errorRate":
      return errorRate(gate, input);
    case "p50Ms":
    case "p99Ms":
      return latency(gate, input, gate.metric === "p50Ms" ? 0.5 : 0.99);
    default:
      return score(gate, input);
  }
}

function errorRate(gate: GateSpec, { newVersion, oldVersion, isOver }: GateInput): string | undefined {
  const { answered } = newVersion;
  if (answered === 0) return undefined;
  // A stream that breaks off counts when it does, which may be later than its answer.
  const failed = Math.min(newVersion.failed, answered);
  const rate = failed / answered;
  const oldRate = oldVersion.answered === 0 ? 0 : oldVersion.failed / oldVersion.answered;
  const limit = Math.max(gate.most ?? 0, gate.mostTimes === undefined ? 0 : gate.mostTimes * oldRate);
  const isSeen = failed >= (isOver ? LEAST_FAILED : LEAST_FAILED_EARLY);
  if (!isSeen || rate <= limit || lowest(failed, answered, isOver ? LIKELY : SURE) <= limit) return undefined;
  return (
    `errorRate ${percent(rate)} (${failed} of ${answered} requests) is above ${percent(limit)}; ` +
    `the old version's is ${percent(oldRate)}` +
    (newVersion.firstError === "" ? "" : `; the first error: ${newVersion.firstError}`)
  );
}

/** Wilson's lower bound of a rate: it is at least this, but for chance. */
function lowest(failed: number, answered: number, z: number): number {
  const rate = failed / answered;
  const square = (z * z) / answered;
  const spread = z * Math.sqrt((rate * (1 - rate) + square / 4) / answered);
  return (rate + square / 2 - spread) / (1 + square);
}

/** The whole window shows the quantile that was asked for, or the highest one that enough requests lie beyond. */
function latency(gate: GateSpec, { newVersion, oldVersion, isOver }: GateInput, quantile: number): string | undefined {
  const { answered } = newVersion;
  if (answered < LEAST_TIMED) return undefined;
  const share = Math.min(quantile, Math.max(0.5, 1 - LEAST_BEYOND / answered));
  const limitOf = (part: number): number =>
    Math.max(gate.most ?? 0, (gate.mostTimes ?? 0) * (latencyQuantile(oldVersion.latencies, part) ?? 0));
  const hasOld = oldVersion.answered >= LEAST_TIMED;
  if (gate.most === undefined && !hasOld) return undefined;
  // At any time: half of them take longer than even the slowest of the old ones may.
  const half = latencyQuantile(newVersion.latencies, 0.5) ?? 0;
  if (half > limitOf(quantile)) return text(gate, "p50Ms", half, limitOf(quantile));
  // A quantile of few requests is uncertain: the least that it may be, at two standard errors, is what counts.
  const surely = share - 2 * Math.sqrt((share * (1 - share)) / answered);
  const ms = latencyQuantile(newVersion.latencies, surely) ?? 0;
  return isOver && ms > limitOf(share) ? text(gate, `p${Math.round(share * 100)}Ms`, ms, limitOf(share)) : undefined;
}

function text({ metric }: GateSpec, what: string, ms: number, limit: number): string {
  return `${metric}: ${what} of the new version is ${ms.toFixed(1)} ms, above ${limit.toFixed(1)} ms`;
}

function score(gate: GateSpec, { scores }: GateInput): string | undefined {
  const { metric, most, least } = gate;
  const value = scores[metric];
  if (value === undefined) return `verify gave no score "${metric}", which a gate asks for`;
  if (most !== undefined && value > most) return `score ${metric} is ${value}, above ${most}`;
  if (least !== undefined && value < least) return `score ${metric} is ${value}, below ${least}`;
  return undefined;
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(rate < 0.1 ? 2 : 1)} %`;
}
