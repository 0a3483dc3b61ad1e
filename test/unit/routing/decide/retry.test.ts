import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode } from "../../../../core/error.ts";
import { ERROR_MAP } from "../../../../core/error-map.ts";
import { retry, retryBudget, type RetryInput } from "../../../../routing/decide/retry.ts";

const LOST: RetryInput = {
  code: "replica_lost",
  wasHanded: true,
  isReplayable: true,
  isIdempotent: false,
  attempts: 1,
  deadlineAt: 100,
  budgetLeft: 1,
};

test("a request that a replica may have begun is not sent again", () => {
  assert.deepEqual(retry(LOST, 0), { kind: "giveUp", reason: "mayHaveBegun" });
});

test("an idempotent one is, a bounded number of times", () => {
  assert.deepEqual(retry({ ...LOST, isIdempotent: true, attempts: 3 }, 0), { kind: "again", reason: "idempotent" });
  assert.deepEqual(retry({ ...LOST, isIdempotent: true, attempts: 4 }, 0), {
    kind: "giveUp",
    reason: "tooManyAttempts",
  });
});

test("one of which no byte had left is sent again, idempotent or not", () => {
  assert.deepEqual(retry({ ...LOST, wasHanded: false }, 0), { kind: "again", reason: "notSent" });
});

test("a refused one is sent again however often it was refused", () => {
  for (const code of ["replica_draining", "replica_overloaded"] as const) {
    assert.deepEqual(retry({ ...LOST, code, attempts: 1_000 }, 99), { kind: "again", reason: "refused" });
  }
});

test("nothing is sent again after its deadline", () => {
  for (const code of ["replica_lost", "replica_draining"] as const) {
    assert.deepEqual(retry({ ...LOST, code, isIdempotent: true }, 100), { kind: "giveUp", reason: "deadline" });
  }
});

test("every other error is the answer", () => {
  for (const code of Object.keys(ERROR_MAP) as ErrorCode[]) {
    if (code === "replica_lost" || ERROR_MAP[code].retry === "always") continue;
    assert.deepEqual(retry({ ...LOST, code, isIdempotent: true, wasHanded: false }, 0), {
      kind: "giveUp",
      reason: "sameAnswer",
    });
  }
});

test("a request whose body has begun to stream away is not sent again, not even after a refusal", () => {
  for (const code of ["replica_lost", "replica_draining"] as const) {
    const spent = { ...LOST, code, isReplayable: false, isIdempotent: true, wasHanded: false };
    assert.deepEqual(retry(spent, 0), { kind: "giveUp", reason: "bodySpent" });
  }
});

test("without a budget nothing is retried; a refusal is no retry", () => {
  const idempotent = { ...LOST, isIdempotent: true, budgetLeft: 0 };
  assert.deepEqual(retry(idempotent, 0), { kind: "giveUp", reason: "budget" });
  assert.deepEqual(retry({ ...idempotent, wasHanded: false }, 0), { kind: "giveUp", reason: "budget" });
  assert.deepEqual(retry({ ...idempotent, code: "replica_overloaded" }, 0), { kind: "again", reason: "refused" });
});

test("the budget is a fifth of the requests and what one lost replica costs, at least ten", () => {
  assert.equal(retryBudget({ requestCount: 1_000, retryCount: 0, maxOngoingRequests: 4 }), 210);
  assert.equal(retryBudget({ requestCount: 1_000, retryCount: 210, maxOngoingRequests: 4 }), 0);
  assert.equal(retryBudget({ requestCount: 0, retryCount: 0, maxOngoingRequests: 64 }), 64);
});
