import assert from "node:assert/strict";
import { test } from "node:test";
import { admit, type KeyLimits, type KeyUse, shareOf, unused } from "../../../../proxy/decide/admit.ts";

const NO_LIMITS: KeyLimits = { requestsPerSecond: 0, burst: 1, maxOngoingRequests: 0 };

/** Sends requests at these times, each ending at once; returns for each whether it was let in. */
function send(limits: KeyLimits, times: readonly number[]): readonly boolean[] {
  let use: KeyUse = unused(limits, 0);
  return times.map((at) => {
    const decision = admit(limits, use, at);
    if (decision.kind === "admit") use = { ...decision.use, ongoingCount: 0 };
    return decision.kind === "admit";
  });
}

test("a burst is let in at once, and then as many as come back each second", () => {
  const limits = { ...NO_LIMITS, requestsPerSecond: 2, burst: 3 };
  assert.deepEqual(send(limits, [0, 0, 0, 0, 499, 500, 501, 1_000]), [
    true,
    true,
    true,
    false,
    false,
    true,
    false,
    true,
  ]);
});

test("a pause fills the bucket and no more", () => {
  const limits = { ...NO_LIMITS, requestsPerSecond: 10, burst: 2 };
  assert.deepEqual(send(limits, [0, 0, 3_600_000, 3_600_000, 3_600_000]), [true, true, true, true, false]);
});

test("a refused request takes nothing and is told when the next token is whole", () => {
  const limits = { ...NO_LIMITS, requestsPerSecond: 4, burst: 1 };
  const use: KeyUse = { tokens: 0.2, refilledAt: 1_000, ongoingCount: 0 };
  assert.deepEqual(admit(limits, use, 1_000), { kind: "refuse", reason: "rate", retryAfterMs: 200 });
  assert.equal(admit(limits, use, 1_200).kind, "admit");
});

test("over an hour at ten times the rate exactly the rate and one burst are let in", () => {
  const limits = { ...NO_LIMITS, requestsPerSecond: 5, burst: 10 };
  const times = Array.from({ length: 50 * 3_600 }, (_, at) => at * 20);
  const admitted = send(limits, times).filter(Boolean).length;
  assert.ok(Math.abs(admitted - (5 * 3_600 + 10)) <= 1, String(admitted));
});

test("requests beyond those that may be ongoing are refused until one ends", () => {
  const limits = { ...NO_LIMITS, maxOngoingRequests: 2 };
  let use = unused(limits, 0);
  for (let count = 1; count <= 2; count++) {
    const decision = admit(limits, use, 0);
    assert.ok(decision.kind === "admit");
    use = decision.use;
    assert.equal(use.ongoingCount, count);
  }
  assert.deepEqual(admit(limits, use, 9_999), { kind: "refuse", reason: "ongoing", retryAfterMs: 1_000 });
  assert.equal(admit(limits, { ...use, ongoingCount: 1 }, 9_999).kind, "admit");
});

test("a clock that seems to go back gives no tokens and takes none", () => {
  const limits = { ...NO_LIMITS, requestsPerSecond: 1, burst: 1 };
  const use: KeyUse = { tokens: 0.5, refilledAt: 1_000, ongoingCount: 0 };
  assert.deepEqual(admit(limits, use, 0), { kind: "refuse", reason: "rate", retryAfterMs: 500 });
});

test("proxies of a node share its limits; one of them alone has them whole", () => {
  const limits = { requestsPerSecond: 9, burst: 2, maxOngoingRequests: 4 };
  assert.deepEqual(shareOf(limits, 1), limits);
  assert.deepEqual(shareOf(limits, 3), { requestsPerSecond: 3, burst: 1, maxOngoingRequests: 2 });
  assert.deepEqual(shareOf(NO_LIMITS, 4), NO_LIMITS);
});
