/** How much one key may ask of one proxy. */
export type KeyLimits = {
  /** 0: no limit. */
  readonly requestsPerSecond: number;
  /** Requests that may come at once; at least 1. */
  readonly burst: number;
  /** 0: no limit. */
  readonly maxOngoingRequests: number;
};

/** What one key has had of one proxy. */
export type KeyUse = {
  /** Requests it might make at once, as of `refilledAt`; grows with time up to `burst`. */
  readonly tokens: number;
  readonly refilledAt: number;
  /** Admitted and not yet ended. */
  readonly ongoingCount: number;
};

/** Whether a key's request is let in. */
export type AdmitDecision =
  | { readonly kind: "admit"; readonly use: KeyUse }
  | { readonly kind: "refuse"; readonly reason: "rate" | "ongoing"; readonly retryAfterMs: number };

/** Nobody knows when one of its requests will end; a second is long enough to be no storm. */
const ONGOING_RETRY_MS = 1_000;

/**
 * Lets a key's next request in, or says when to come again. Rates are a token bucket: it holds `burst`, each request takes
 * one, and `requestsPerSecond` of them come back. A request that is refused takes nothing, so that a caller that only
 * ever tries again is not shut out for good.
 */
export function admit(limits: KeyLimits, use: KeyUse, now: number): AdmitDecision {
  const { requestsPerSecond, burst, maxOngoingRequests } = limits;
  const { ongoingCount } = use;
  if (maxOngoingRequests > 0 && ongoingCount >= maxOngoingRequests) {
    return { kind: "refuse", reason: "ongoing", retryAfterMs: ONGOING_RETRY_MS };
  }
  if (requestsPerSecond === 0) return { kind: "admit", use: { ...use, ongoingCount: ongoingCount + 1 } };
  const refilled = use.tokens + (Math.max(0, now - use.refilledAt) / 1_000) * requestsPerSecond;
  const tokens = Math.min(burst, refilled);
  // 4 requests a second with 0.2 of a token left: (1 - 0.2) / 4 = 0.2 s until there is a whole one.
  if (tokens < 1) return { kind: "refuse", reason: "rate", retryAfterMs: ((1 - tokens) / requestsPerSecond) * 1_000 };
  return { kind: "admit", use: { tokens: tokens - 1, refilledAt: now, ongoingCount: ongoingCount + 1 } };
}

/** A key that has asked for nothing yet. */
export function unused(limits: KeyLimits, now: number): KeyUse {
  return { tokens: limits.burst, refilledAt: now, ongoingCount: 0 };
}

/**
 * One proxy's share of limits that are a node's: connections are spread over its proxies. A share of concurrency is
 * rounded up: 4 over 3 proxies is 2 each, because 1 each would refuse what was promised.
 */
export function shareOf(limits: KeyLimits, proxyCount: number): KeyLimits {
  const { requestsPerSecond, burst, maxOngoingRequests } = limits;
  return {
    requestsPerSecond: requestsPerSecond / proxyCount,
    burst: Math.max(1, burst / proxyCount),
    maxOngoingRequests: Math.ceil(maxOngoingRequests / proxyCount),
  };
}
