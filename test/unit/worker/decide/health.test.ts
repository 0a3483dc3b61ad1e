import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCKED_IDLE_AFTER_MS, BUSY_AFTER_MS, STOPPED_ENDED_AFTER_MS } from "../../../../core/limits.ts";
import { health, type HealthInput } from "../../../../worker/decide/health.ts";

const WELL: HealthInput = { stalledMs: 0, deadlineInMs: undefined, stoppedMs: 0 };

function decided(changes: Partial<HealthInput>): string {
  const { kind, reason } = health({ ...WELL, ...changes });
  return `${kind} ${reason}`;
}

test("an event loop that runs now and then is well, however late its requests are", () => {
  assert.equal(decided({ stalledMs: BUSY_AFTER_MS - 1, deadlineInMs: -60_000 }), "beating loopRuns");
});

test("a synchronous model of 3 s is busy as long as a request is within its deadline", () => {
  for (const stalledMs of [1_000, 2_000, 3_000, 50_000]) {
    assert.equal(decided({ stalledMs, deadlineInMs: 60_000 - stalledMs }), "busy withinDeadline");
  }
});

test("a loop that never ends is blocked within a second after the last deadline on it, and ended 1.5 s later", () => {
  const decisions = [1_900, 2_249, 2_250, 3_000, 3_750].map((at) =>
    health({ ...WELL, stalledMs: at, deadlineInMs: 2_000 - at }),
  );
  assert.deepEqual(
    decisions.map(({ kind }) => kind),
    ["busy", "busy", "blocked", "blocked", "blocked"],
  );
  assert.deepEqual(
    decisions.flatMap((decision) => (decision.kind === "blocked" ? [decision.endsInMs] : [])),
    [1_500, 750, 0],
  );
});

test("one that stalls only after its requests were too late gets its time too", () => {
  const decision = health({ ...WELL, stalledMs: BUSY_AFTER_MS, deadlineInMs: -20_000 });
  assert.deepEqual(decision, { kind: "blocked", reason: "pastDeadlines", endsInMs: 1_500 });
});

test("without any deadline it is busy for long, and blocked in the end", () => {
  assert.equal(decided({ stalledMs: BLOCKED_IDLE_AFTER_MS - 1 }), "busy nothingOngoing");
  assert.equal(decided({ stalledMs: BLOCKED_IDLE_AFTER_MS }), "blocked nothingOngoing");
});

test("a process that is stopped as a whole is hung, whatever deadline its requests have, and ended after 5 s", () => {
  const stalled = { ...WELL, stalledMs: 2_000, deadlineInMs: 60_000 };
  assert.deepEqual(health({ ...stalled, stoppedMs: 1_000 }), {
    kind: "hung",
    reason: "stopped",
    endsInMs: STOPPED_ENDED_AFTER_MS - 1_000,
  });
});
