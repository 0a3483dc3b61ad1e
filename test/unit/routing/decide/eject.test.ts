import assert from "node:assert/strict";
import { test } from "node:test";
import {
  blames,
  eject,
  failed,
  IN,
  mostEjected,
  probing,
  succeeded,
  type EjectInput,
  type Standing,
} from "../../../../routing/decide/eject.ts";

function input(standing: Standing, more: Partial<EjectInput> = {}): EjectInput {
  return { standing, isSilent: false, isSlow: false, replicaCount: 4, ejectedCount: 0, ...more };
}

/** After so many failures, a second apart, the last at 10,000. */
function afterFailures(count: number): Standing {
  let standing = IN;
  for (let left = count - 1; left >= 0; left--) standing = failed(standing, 10_000 - left * 1_000);
  return standing;
}

function ejected(given: EjectInput, now = 10_000): { reason: string; forMs: number; standing: Standing } {
  const decision = eject(given, now);
  assert.ok(decision.kind === "eject", "it was kept");
  return decision;
}

test("five failures in a row leave a replica out for a second; an answer in between starts anew", () => {
  assert.equal(eject(input(afterFailures(4)), 10_000).kind, "keep");
  const { reason, forMs } = ejected(input(afterFailures(5)));
  assert.deepEqual([reason, forMs], ["failures", 1_000]);
  const better = failed(succeeded(afterFailures(4), 10_100), 10_200);
  assert.equal(eject(input(better), 10_200).kind, "keep");
});

test("all that one broken connection took down is one failure", () => {
  let standing = IN;
  for (let request = 0; request < 100; request++) standing = failed(standing, 10_000 + request / 100);
  assert.equal(standing.failureCount, 1);
});

test("a silent replica and a slow one are left out at once", () => {
  assert.equal(ejected(input(IN, { isSilent: true })).reason, "silent");
  assert.equal(ejected(input(IN, { isSlow: true })).reason, "slow");
});

test("at most half are left out, and never the only one", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5].map(mostEjected), [0, 0, 1, 1, 2, 2]);
  assert.equal(eject(input(IN, { isSilent: true, replicaCount: 1 }), 0).kind, "keep");
  assert.equal(eject(input(IN, { isSilent: true, replicaCount: 4, ejectedCount: 2 }), 0).kind, "keep");
  assert.equal(eject(input(IN, { isSilent: true, replicaCount: 4, ejectedCount: 1 }), 0).kind, "eject");
});

test("each failed probe doubles the time, up to half a minute, whatever else is left out", () => {
  let { standing } = ejected(input(afterFailures(5)));
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const tried = failed(probing(standing), standing.at + 50);
    const again = ejected(input(tried, { ejectedCount: 2 }), standing.at + 50);
    assert.equal(again.reason, "probe");
    times.push(again.forMs);
    standing = again.standing;
  }
  assert.deepEqual(times, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("a probe that succeeds brings it back; soon after it is left out for longer, and after a minute as at first", () => {
  const { standing } = ejected(input(afterFailures(5)));
  const back = succeeded(probing(standing), 11_000);
  assert.equal(back.kind, "in");
  assert.equal(ejected(input(back, { isSilent: true }), 20_000).forMs, 2_000);
  assert.equal(ejected(input(back, { isSilent: true }), 80_000).forMs, 1_000);
});

test("what still happens at a replica that is out changes nothing", () => {
  const { standing } = ejected(input(afterFailures(5)));
  assert.equal(failed(standing, 10_500), standing);
  assert.equal(succeeded(standing, 10_500), standing);
  assert.equal(eject(input(standing, { isSilent: true }), 10_500).kind, "keep");
});

test("losing a request blames the replica; what user code throws shows that it works", () => {
  const blame = (code: Parameters<typeof blames>[0]["code"], runMs = 100): string =>
    blames({ code, runMs, usualMs: 20 });
  assert.deepEqual(
    ["replica_lost" as const, "internal" as const].map((code) => blame(code)),
    ["failed", "failed"],
  );
  assert.deepEqual(
    ["handler_failed" as const, "invalid_request" as const].map((code) => blame(code)),
    ["worked", "worked"],
  );
  assert.equal(blame("replica_overloaded"), "nothing");
});

test("a deadline blames a replica only if it had a fair chance", () => {
  assert.equal(blames({ code: "deadline_exceeded", runMs: 59, usualMs: 20 }), "nothing");
  assert.equal(blames({ code: "deadline_exceeded", runMs: 60, usualMs: 20 }), "failed");
  assert.equal(blames({ code: "deadline_exceeded", runMs: 1, usualMs: undefined }), "failed");
});
