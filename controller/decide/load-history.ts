import { LOAD_REPORT_MS } from "../../core/limits.ts";

/**
 * What was asked of a deployment lately, as its scaling needs it: the last seconds in samples, and before that the peak of
 * each of some spans, because load must have been low for all of `downscaleDelayMs` before replicas go.
 */

/** What was seen between two looks. */
export type LoadSample = {
  /** When it ended; it began `ms` before. */
  readonly at: number;
  readonly ms: number;
  /** Requests that waited or were ongoing, on average. */
  readonly ongoing: number;
  /** Requests that waited at its end. */
  readonly queued: number;
  readonly arrived: number;
  readonly answered: number;
  /** Replicas that were busy: 2.5 of them, say. */
  readonly busy: number;
  /** Replicas that took requests. */
  readonly ready: number;
};

/** The highest means of a span. */
export type LoadPeak = { readonly from: number; readonly to: number; readonly ongoing: number; readonly busy: number };

/** One deployment's history. */
export type LoadHistory = {
  /** Nothing is known of before. */
  readonly since: number;
  /** When a request was last there; undefined: none since. */
  readonly lastActiveAt: number | undefined;
  /** Oldest first. */
  readonly samples: readonly LoadSample[];
  /** Oldest first; the last one grows. */
  readonly peaks: readonly LoadPeak[];
};

/** What is asked for lately; a window's sums. */
export type LoadMean = {
  readonly ms: number;
  readonly ongoing: number;
  readonly busy: number;
  readonly ready: number;
  readonly queued: number;
  readonly arrivedPerSecond: number;
  readonly answeredPerSecond: number;
  readonly arrived: number;
};

/** Samples are kept for so long. */
export const SAMPLES_KEPT_MS = 12_000;
/** Peaks per `downscaleDelayMs`: a span is a fifteenth of it, at least LEAST_SPAN_MS. */
const SPANS = 15;
const LEAST_SPAN_MS = 1_000;
/** From so busy on a replica counts as doing all it can. */
const SATURATED = 0.9;
/** What a replica gets done is seen over so long: a single moment may have arrivals of one node and answers of none. */
const WORK_WINDOW_MS = 3_000;

/** A history that begins now. */
export function emptyHistory(now: number): LoadHistory {
  return { since: now, lastActiveAt: undefined, samples: [], peaks: [] };
}

/** The history with one more sample. Peaks are kept for `keepMs`, which is `downscaleDelayMs`. */
export function recorded(history: LoadHistory, sample: LoadSample, keepMs: number): LoadHistory {
  const isActive = sample.ongoing > 0 || sample.queued > 0 || sample.arrived > 0;
  return {
    since: history.since,
    lastActiveAt: isActive ? sample.at : history.lastActiveAt,
    samples: [...history.samples.filter(({ at }) => at > sample.at - SAMPLES_KEPT_MS), sample],
    peaks: withPeak(history.peaks, sample, keepMs),
  };
}

/** Means over the last `windowMs`, or over what there is of it; undefined: there is nothing. */
export function meanOf(history: LoadHistory, windowMs: number, now: number): LoadMean | undefined {
  let [ms, ongoing, busy, ready, arrived, answered] = [0, 0, 0, 0, 0, 0];
  for (const sample of history.samples) {
    const share = Math.min(sample.ms, sample.at - (now - windowMs));
    if (share <= 0 || sample.ms <= 0) continue;
    ms += share;
    ongoing += sample.ongoing * share;
    busy += sample.busy * share;
    ready += sample.ready * share;
    arrived += (sample.arrived * share) / sample.ms;
    answered += (sample.answered * share) / sample.ms;
  }
  if (ms === 0) return undefined;
  return {
    ms,
    ongoing: ongoing / ms,
    busy: busy / ms,
    ready: ready / ms,
    queued: history.samples.at(-1)?.queued ?? 0,
    arrived,
    arrivedPerSecond: (arrived * 1_000) / ms,
    answeredPerSecond: (answered * 1_000) / ms,
  };
}

/** What the newest samples say, over `leastMs` at least where there are so many; undefined: there is none. */
export function newestOf(history: LoadHistory, leastMs = 0): LoadMean | undefined {
  const newest = history.samples.at(-1);
  return newest === undefined ? undefined : meanOf(history, Math.max(newest.ms, leastMs), newest.at);
}

/** Whether replicas do all they can. */
export function isSaturated({ queued, ready, busy }: Pick<LoadSample, "queued" | "ready" | "busy">): boolean {
  return ready > 0 && (queued > 0 || busy >= SATURATED * ready);
}

/**
 * Requests that one replica answers in a second of work: as those did lately that had all they can do, or as all did
 * where that was never so for as long as routers take to tell; 0: unknown.
 */
export function answeredPerReplica({ samples }: LoadHistory): number {
  const [full, all] = [
    { ms: 0, seconds: 0, answered: 0 },
    { ms: 0, seconds: 0, answered: 0 },
  ];
  const from = (samples.at(-1)?.at ?? 0) - WORK_WINDOW_MS;
  for (const sample of samples) {
    // Requests wait in routers only where every slot is taken; how busy replicas are is known up to a second later.
    const working = sample.queued > 0 && sample.ready > 0 ? sample.ready : sample.busy;
    if (sample.at <= from || working === 0) continue;
    for (const sum of isSaturated(sample) ? [full, all] : [all]) {
      sum.ms += sample.ms;
      sum.seconds += (working * sample.ms) / 1_000;
      sum.answered += sample.answered;
    }
  }
  const { seconds, answered } = full.ms >= LOAD_REPORT_MS ? full : all;
  return seconds > 0 ? answered / seconds : 0;
}

/** The highest that was asked for within the last `windowMs`. */
export function peakOf(history: LoadHistory, windowMs: number, now: number): Pick<LoadPeak, "ongoing" | "busy"> {
  const spans = history.peaks.filter(({ to }) => to > now - windowMs);
  return {
    ongoing: Math.max(0, ...spans.map(({ ongoing }) => ongoing)),
    busy: Math.max(0, ...spans.map(({ busy }) => busy)),
  };
}

/** A span's peak is its mean: a moment's chance must not hold a replica for the whole delay. */
function withPeak(peaks: readonly LoadPeak[], sample: LoadSample, keepMs: number): readonly LoadPeak[] {
  const spanMs = Math.max(LEAST_SPAN_MS, keepMs / SPANS);
  const last = peaks.at(-1);
  if (last === undefined || last.to - last.from >= spanMs) {
    const kept = peaks.filter(({ to }) => to > sample.at - keepMs);
    return [...kept, { from: sample.at - sample.ms, to: sample.at, ongoing: sample.ongoing, busy: sample.busy }];
  }
  const before = last.to - last.from;
  const mean = (was: number, is: number): number => (was * before + is * sample.ms) / Math.max(1, before + sample.ms);
  const grown = {
    from: last.from,
    to: sample.at,
    ongoing: mean(last.ongoing, sample.ongoing),
    busy: mean(last.busy, sample.busy),
  };
  return [...peaks.slice(0, -1), grown];
}
