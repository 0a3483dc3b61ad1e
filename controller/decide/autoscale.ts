import { LOAD_REPORT_MS } from "../../core/limits.ts";
import type { AutoscalingSpec } from "../../core/spec.ts";
import {
  answeredPerReplica,
  isSaturated,
  type LoadHistory,
  type LoadMean,
  meanOf,
  newestOf,
  peakOf,
  SAMPLES_KEPT_MS,
} from "./load-history.ts";

/**
 * How many replicas an autoscaled deployment is to have.
 *
 * Every signal says how many replicas it would take, as a number with a fraction; the highest counts:
 * - ongoing: requests that wait or are ongoing ÷ `targetOngoingRequests`, as Ray Serve counts. Where every replica is
 *   busy all the time this would answer a burst with far too many: 150 requests that wait for one replica would ask for 75,
 *   although 4 keep up with what arrives. What a busy replica gets done is known then, and bounds it.
 * - busy: replicas' worth of work that is being done ÷ `targetUtilisation`.
 * - wait: what it takes for the last in the queue to wait no longer than `targetQueueDelayMs`.
 * - metric and policy: the user's own.
 *
 * Upwards as soon as the load is higher than chance explains, over any of a few windows from `upscaleDelayMs` on, at once
 * in a burst; downwards when it was low for all of `downscaleDelayMs`. The two have a gap between them, so that a constant
 * load changes nothing.
 */

/** What is known of one deployment. Times are monotonic milliseconds. */
export type AutoscaleInput = {
  readonly spec: AutoscalingSpec;
  /** Decided last; undefined: never. */
  readonly current: number | undefined;
  /** When the target last rose. */
  readonly roseAt: number;
  /** undefined: nothing was ever asked of it. */
  readonly history: LoadHistory | undefined;
  /** From being wanted to taking requests, the slowest that runs; 0: unknown. */
  readonly startMs: number;
  /** Newest value of the metric that `spec.metric` names; undefined: none, or too old. */
  readonly metric: number | undefined;
  /** What the user's `policy` answered last. */
  readonly policy: number | undefined;
  /** Something that saw load cannot be heard: low load may only be unheard. */
  readonly isDeaf: boolean;
};

/** Why a target is what it is. */
export type AutoscaleReason =
  /** `initialReplicas`, or the least there may be. */
  | "initial"
  | "loadRose"
  /** Twice as much as there is was asked for at once. */
  | "burst"
  /** Nothing ran, and a request waits. */
  | "requestWaits"
  | "loadFell"
  /** Nothing was asked for throughout `scaleToZeroDelayMs`. */
  | "idle"
  /** `minReplicas` or `maxReplicas` changed. */
  | "bounds"
  | "policy"
  | "unchanged";

/** Replicas each signal asks for, as `serve explain` shows them. */
export type Signals = {
  readonly ongoing: number;
  readonly busy: number;
  readonly wait: number;
  readonly metric: number;
};

/** The decision with what it came from. */
export type AutoscaleDecision = {
  readonly target: number;
  readonly reason: AutoscaleReason;
  readonly signals: Signals;
};

/** A burst asks for this many times what there is. */
const BURST = 2;
/** Windows that are looked at for a rise, times `upscaleDelayMs`: the longer, the smaller a rise is told from chance. */
const RISE_WINDOWS = [1, 3, 10] as const;
/** So little more is not worth a replica, and so little less is none to miss. */
const TOLERANCE = 0.1;
/** Standard deviations of a count of arrivals that pass for chance: once in 16,000 looks. */
const CHANCE = 4;
/** What waits already is to be worked off within this, or within a start. */
const CATCH_UP_MS = 2_000;
const NO_SIGNALS: Signals = { ongoing: 0, busy: 0, wait: 0, metric: 0 };

/** Decides a deployment's target. */
export function autoscale(input: AutoscaleInput, now: number): AutoscaleDecision {
  const { spec, current, history } = input;
  const { minReplicas, maxReplicas, initialReplicas } = spec;
  if (current === undefined) return { target: initialReplicas, reason: "initial", signals: NO_SIGNALS };
  const bounded = clamp(current, minReplicas, maxReplicas);
  if (bounded !== current) return { target: bounded, reason: "bounds", signals: NO_SIGNALS };
  if (history === undefined) return { target: current, reason: "unchanged", signals: NO_SIGNALS };

  if (current === 0) return fromZero(input, newestOf(history), now);
  const { policy } = input;
  if (policy !== undefined) {
    const target = clamp(Math.ceil(policy), minReplicas, maxReplicas);
    const last = newestOf(history, LOAD_REPORT_MS);
    const signals = last === undefined ? NO_SIGNALS : signalsOf(input, last);
    return { target, reason: target === current ? "unchanged" : "policy", signals };
  }
  return rise(input, current, now) ?? fall(input, current, now);
}

/** What a mean asks for by each signal. */
export function signalsOf({ spec, history, startMs, metric }: AutoscaleInput, mean: LoadMean): Signals {
  const busy = mean.busy / spec.targetUtilisation;
  const perReplica = history === undefined ? 0 : answeredPerReplica(history);
  let ongoing = mean.ongoing / spec.targetOngoingRequests;
  if (isSaturated(mean) && perReplica > 0) {
    const catchUpSeconds = Math.max(CATCH_UP_MS, startMs) / 1_000;
    const needed = (mean.arrivedPerSecond + mean.queued / catchUpSeconds) / perReplica / spec.targetUtilisation;
    ongoing = Math.min(ongoing, Math.max(needed, busy));
  }
  const { targetQueueDelayMs } = spec;
  const wait =
    targetQueueDelayMs === undefined || perReplica === 0
      ? 0
      : (mean.queued / perReplica) * (1_000 / Math.max(1, targetQueueDelayMs));
  const byMetric = spec.metric === undefined || metric === undefined ? 0 : metric / spec.metric.targetPerReplica;
  return { ongoing, busy, wait, metric: byMetric };
}

function fromZero(
  { spec, history, startMs, metric }: AutoscaleInput,
  last: LoadMean | undefined,
  now: number,
): AutoscaleDecision {
  const byMetric = spec.metric === undefined || metric === undefined ? 0 : metric / spec.metric.targetPerReplica;
  if (byMetric > 0) {
    const signals = { ...NO_SIGNALS, metric: byMetric };
    return { target: clamp(Math.ceil(byMetric - 1e-9), 1, spec.maxReplicas), reason: "loadRose", signals };
  }
  const isAsked = last !== undefined && (last.queued > 0 || last.ongoing > 0 || last.arrived > 0);
  const isRecent = history?.lastActiveAt !== undefined && now - history.lastActiveAt < startMs + CATCH_UP_MS;
  if (!isAsked || !isRecent) return { target: 0, reason: "unchanged", signals: NO_SIGNALS };
  const wanted = Math.ceil(last.queued / spec.targetOngoingRequests / BURST);
  const signals = { ...NO_SIGNALS, ongoing: wanted };
  return { target: clamp(wanted, 1, spec.maxReplicas), reason: "requestWaits", signals };
}

function rise(input: AutoscaleInput, current: number, now: number): AutoscaleDecision | undefined {
  const { spec, history } = input;
  if (history === undefined) return undefined;
  // Over a round of reports: what one node tells within a moment would be a flood if all told as much all the time.
  const last = newestOf(history, LOAD_REPORT_MS);
  if (last !== undefined) {
    const signals = signalsOf(input, last);
    const wanted = highest(signals);
    if (wanted >= BURST * current && isSurge(history, last)) return up(input, current, signals, "burst");
  }
  const recent = meanOf(history, Math.max(LOAD_REPORT_MS, spec.upscaleDelayMs), now);
  // What a longer window remembers is not to be answered any more once it has gone.
  if (recent === undefined || highest(signalsOf(input, recent)) <= current) return undefined;
  let most: Signals | undefined;
  for (const times of RISE_WINDOWS) {
    const windowMs = Math.max(LOAD_REPORT_MS, spec.upscaleDelayMs * times);
    const mean = meanOf(history, windowMs, now);
    if (mean === undefined || mean.ms < Math.min(windowMs, spec.upscaleDelayMs)) continue;
    const signals = signalsOf(input, ahead(mean, input, windowMs, now));
    // As many as there would have been if what there is were enough: chance itself makes more of them.
    const arrived = (mean.arrived * current) / Math.max(current, highest(signals));
    const chance = arrived > 0 ? CHANCE / Math.sqrt(arrived) : 0;
    const isRise = highest(signals) > current * (1 + Math.max(TOLERANCE, chance));
    if (isRise && (most === undefined || highest(signals) > highest(most))) most = signals;
  }
  return most === undefined ? undefined : up(input, current, most, "loadRose");
}

/** Whether more arrived in the last moments than chance makes of what arrived in the seconds before. */
function isSurge(history: LoadHistory, last: LoadMean): boolean {
  const all = meanOf(history, SAMPLES_KEPT_MS, history.samples.at(-1)?.at ?? 0);
  const beforeMs = (all?.ms ?? 0) - last.ms;
  const before = Math.max(0, (all?.arrived ?? 0) - last.arrived);
  const expected = beforeMs > 0 ? (before / beforeMs) * last.ms : 0;
  // The root of a count of arrivals deviates by a half, however many are expected.
  return last.arrived >= BURST * CHANCE && 2 * (Math.sqrt(last.arrived) - Math.sqrt(expected)) > CHANCE;
}

/** What there will be by the time a replica that is wanted now can help, if the load goes on growing as it does. */
function ahead(mean: LoadMean, { history, startMs }: AutoscaleInput, windowMs: number, now: number): LoadMean {
  const before = history === undefined ? undefined : meanOf(history, 2 * windowMs, now);
  // The mean of twice the window, less that of the window, is the mean of the half before it.
  if (before === undefined || before.ms < 1.9 * windowMs || mean.arrived === 0) return mean;
  const earlier = 2 * before.arrivedPerSecond - mean.arrivedPerSecond;
  const isChance = mean.arrived - (earlier * windowMs) / 1_000 < CHANCE * Math.sqrt(2 * mean.arrived);
  if (isChance || earlier <= 0) return mean;
  const growth = Math.min(1, ((mean.arrivedPerSecond - earlier) / mean.arrivedPerSecond) * (startMs / windowMs));
  const grown = 1 + growth;
  return {
    ...mean,
    ongoing: mean.ongoing * grown,
    busy: mean.busy * grown,
    arrivedPerSecond: mean.arrivedPerSecond * grown,
  };
}

function up(
  { spec }: AutoscaleInput,
  current: number,
  signals: Signals,
  reason: "loadRose" | "burst",
): AutoscaleDecision {
  const wanted = Math.min(Math.ceil(highest(signals) - 1e-9), spec.maxReplicas);
  if (wanted <= current) return { target: current, reason: "unchanged", signals };
  const step = Math.max(1, Math.round((wanted - current) * spec.upscalingFactor));
  return { target: Math.min(current + step, spec.maxReplicas), reason, signals };
}

function fall(input: AutoscaleInput, current: number, now: number): AutoscaleDecision {
  const { spec, history, isDeaf } = input;
  const stay = { target: current, reason: "unchanged" as const, signals: NO_SIGNALS };
  if (history === undefined || isDeaf) return stay;
  const { downscaleDelayMs, scaleToZeroDelayMs, minReplicas } = spec;
  const quietSince = Math.max(history.lastActiveAt ?? history.since, history.since, input.roseAt);
  const metricNow = input.spec.metric === undefined ? 0 : (input.metric ?? Number.POSITIVE_INFINITY);
  if (minReplicas === 0 && metricNow === 0 && now - quietSince >= scaleToZeroDelayMs) {
    return { target: 0, reason: "idle", signals: NO_SIGNALS };
  }
  if (now - Math.max(history.since, input.roseAt) < downscaleDelayMs) return stay;
  const span = peakOf(history, Math.max(1, downscaleDelayMs), now);
  const byMetric = spec.metric === undefined ? 0 : metricNow / spec.metric.targetPerReplica;
  const overDelay: Signals = {
    ongoing: span.ongoing / spec.targetOngoingRequests,
    busy: span.busy / spec.targetUtilisation,
    wait: 0,
    metric: byMetric,
  };
  // A span's mean may be below that of the last moments, which would ask for more again.
  const recent = meanOf(history, Math.max(LOAD_REPORT_MS, spec.upscaleDelayMs), now);
  const moments = [newestOf(history, LOAD_REPORT_MS), recent];
  const asked = [overDelay, ...moments.map((mean) => (mean === undefined ? NO_SIGNALS : signalsOf(input, mean)))];
  const signals = asked.reduce((most, one) => (highest(one) > highest(most) ? one : most));
  // Just below what was asked for: one fewer must leave a gap, or the next moment's chance asks for it again.
  const wanted = Math.max(1, minReplicas, Math.ceil(highest(signals) * (1 + TOLERANCE) - 1e-9));
  if (wanted >= current) return { ...stay, signals };
  const step = Math.max(1, Math.round((current - wanted) * spec.downscalingFactor));
  return { target: Math.max(wanted, current - step), reason: "loadFell", signals };
}

function highest({ ongoing, busy, wait, metric }: Signals): number {
  return Math.max(ongoing, busy, wait, metric);
}

function clamp(count: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, count));
}
