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

/** What the newest sample says; undefined: there is none. */
export function newestOf(history: LoadHistory): LoadMean | undefined {
  const newest = history.samples.at(-1);
  return newest === undefined ? undefined : meanOf(history, newest.ms, newest.at);
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
