import assert from "node:assert/strict";
import { test } from "node:test";
import { RESTART_BACKOFF, ROLLOUT_FAILED_AFTER_STARTS, STABLE_AFTER_MS } from "../../../../core/limits.ts";
import type { EndedReplica } from "../../../../worker/decide/restart.ts";
import { restart } from "../../../../worker/decide/restart.ts";

const NOW = 1_000_000;
const always = (value: number) => ({ next: () => value });
const ENDED: EndedReplica = { cause: "ordinary", readyAt: undefined, failedStarts: 0, crashes: 0 };

test("a failed start is counted and tried again", () => {
  assert.deepEqual(restart({ ...ENDED, failedStarts: 1, crashes: 1 }, NOW, always(0)), {
    kind: "restart",
    at: NOW + 100,
    failedStarts: 2,
    crashes: 2,
    reason: "startFailed",
  });
});

test("a crash of a replica that was ready is no failed start, and the first is restarted within 100 ms", () => {
  const decision = restart({ ...ENDED, readyAt: NOW - STABLE_AFTER_MS, crashes: 7 }, NOW, always(0.999));
  assert.equal(decision.reason, "crashed");
  assert.equal(decision.failedStarts, 0);
  assert.ok(decision.kind === "restart" && decision.at <= NOW + RESTART_BACKOFF.firstMs);
});

test("a replica that crashes soon after each start waits longer each time, up to the bound", () => {
  let crashes = 0;
  let lastMs = 0;
  for (let time = 0; time < 20; time++) {
    const decision = restart({ ...ENDED, readyAt: NOW - 10, crashes }, NOW, always(0.999_999));
    assert.ok(decision.kind === "restart");
    assert.ok(decision.at - NOW >= lastMs - 1);
    lastMs = decision.at - NOW;
    crashes = decision.crashes;
  }
  assert.ok(lastMs > RESTART_BACKOFF.mostMs * 0.9 && lastMs <= RESTART_BACKOFF.mostMs);
});

test("a permanent failure is given up and counts as enough failed starts to end its rollout", () => {
  assert.deepEqual(restart({ ...ENDED, cause: "permanent" }, NOW, always(0)), {
    kind: "giveUp",
    failedStarts: ROLLOUT_FAILED_AFTER_STARTS,
    reason: "permanent",
  });
});

test("a replica that was ready is restarted whatever ended it", () => {
  assert.equal(restart({ ...ENDED, cause: "permanent", readyAt: NOW }, NOW, always(0)).kind, "restart");
});

test("code that cannot be fetched just now is no fault of the version", () => {
  const decision = restart({ ...ENDED, cause: "unreachable", failedStarts: 1 }, NOW, always(0));
  assert.equal(decision.reason, "codeUnreachable");
  assert.equal(decision.failedStarts, 1);
});
