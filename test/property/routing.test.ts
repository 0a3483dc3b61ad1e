import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RETRY_BUDGET_FLOOR, RETRY_BUDGET_SHARE, RETRY_BUDGET_SPAN_MS } from "../../core/limits.ts";
import { BoundedQueue, type QueueEntry } from "../../routing/bounded-queue.ts";
import { eject, failed, IN, mostEjected, probing, succeeded, type Standing } from "../../routing/decide/eject.ts";
import { buildRing, firstPoint, ownerAt } from "../../routing/decide/ring.ts";
import { RetryBudget } from "../../routing/retry-budget.ts";

type Waiting = { readonly id: number; readonly priority: number };

const queueStep = fc.oneof(
  fc.record({ kind: fc.constant("arrive" as const), priority: fc.integer({ min: -2, max: 2 }) }),
  fc.record({ kind: fc.constant("take" as const) }),
  fc.record({ kind: fc.constant("refuse" as const), at: fc.nat() }),
  fc.record({ kind: fc.constant("cancel" as const), at: fc.nat() }),
);

describe("a router's queue", () => {
  it("loses, doubles and reorders nothing, whatever arrives, is taken, refused, cancelled and pushed out", () => {
    fc.assert(
      fc.property(fc.array(queueStep, { maxLength: 120 }), fc.integer({ min: 1, max: 8 }), (steps, limit) => {
        const queue = new BoundedQueue<Waiting>(limit);
        const waiting = new Set<QueueEntry<Waiting>>();
        const taken: QueueEntry<Waiting>[] = [];
        const all = new Map<number, "in" | "out">();
        let id = 0;
        for (const step of steps) {
          if (step.kind === "arrive") {
            const entry = queue.arrive({ id: id++, priority: step.priority }, step.priority);
            const victim = queue.push(entry) ? undefined : queue.pushOut(entry);
            if (entry.isQueued) waiting.add(entry);
            all.set(entry.value.id, entry.isQueued ? "in" : "out");
            if (victim !== undefined) {
              assert.ok(waiting.delete(victim) && victim.value.priority < step.priority);
              all.set(victim.value.id, "out");
            }
          } else if (step.kind === "take") {
            const entry = queue.shift();
            if (entry === undefined) continue;
            assert.ok(waiting.delete(entry));
            for (const other of waiting) assert.ok(isBefore(entry, other), "it was not its turn");
            taken.push(entry);
          } else if (step.kind === "refuse") {
            const [entry] = taken.splice(step.at % Math.max(1, taken.length), 1);
            if (entry === undefined) continue;
            queue.putBack(entry);
            waiting.add(entry);
          } else {
            const entry = [...waiting][step.at % Math.max(1, waiting.size)];
            if (entry === undefined) continue;
            assert.ok(queue.remove(entry) && !queue.remove(entry));
            waiting.delete(entry);
            all.set(entry.value.id, "out");
          }
          assert.equal(queue.size, waiting.size);
        }
        const left: QueueEntry<Waiting>[] = [];
        for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) left.push(entry);
        assert.deepEqual(
          left,
          [...waiting].toSorted((one, other) => (isBefore(one, other) ? -1 : 1)),
        );
        const kept = [...left, ...taken].map(({ value }) => value.id).toSorted((one, other) => one - other);
        assert.deepEqual(
          kept,
          [...all].filter(([, state]) => state === "in").map(([key]) => key),
        );
      }),
    );
  });
});

function isBefore(one: QueueEntry<Waiting>, other: QueueEntry<Waiting>): boolean {
  if (one.value.priority !== other.value.priority) return one.value.priority > other.value.priority;
  return one.arrival < other.arrival;
}

describe("a ring", () => {
  it("moves at most two keys in N when a replica leaves, and only those that it had", () => {
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 2, maxLength: 30 });
    const keys = Array.from({ length: 2_000 }, (_, at) => `key-${at}`);
    fc.assert(
      fc.property(ids, fc.nat(), (before, which) => {
        const gone = before[which % before.length] ?? "";
        const after = before.filter((id) => id !== gone);
        const [wide, narrow] = [buildRing(before), buildRing(after)];
        let moved = 0;
        for (const key of keys) {
          const owner = before[ownerAt(wide, firstPoint(wide, key))];
          const next = after[ownerAt(narrow, firstPoint(narrow, key))];
          if (owner === next) continue;
          assert.equal(owner, gone);
          moved += 1;
        }
        assert.ok(moved <= (2 / before.length) * keys.length, `${moved} of ${keys.length} among ${before.length}`);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a retry budget", () => {
  it("never lets more than a fifth of the requests, and the floor, be retries", () => {
    const step = fc.record({ afterMs: fc.integer({ min: 0, max: 3_000 }), requests: fc.nat(60), wishes: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (steps, slots) => {
        const budget = new RetryBudget();
        const requests: number[] = [];
        const retries: number[] = [];
        let now = 0;
        for (const { afterMs, requests: arriving, wishes } of steps) {
          now += afterMs;
          for (let count = 0; count < arriving; count++) {
            budget.request(now);
            requests.push(now);
          }
          for (let wish = 0; wish < wishes && budget.left(slots, now) >= 1; wish++) {
            budget.retry(now);
            retries.push(now);
            // Judged when it is granted; the counts forget in slices, so they are exact over nine tenths of the span.
            const recent = (at: number): boolean => at > now - 0.9 * RETRY_BUDGET_SPAN_MS;
            const most = RETRY_BUDGET_SHARE * requests.filter((at) => at > now - RETRY_BUDGET_SPAN_MS).length;
            assert.ok(retries.filter(recent).length <= most + Math.max(RETRY_BUDGET_FLOOR, slots));
          }
        }
      }),
    );
  });
});

describe("ejection", () => {
  it("never leaves out more than half of a deployment's replicas, nor any for longer than half a minute", () => {
    const step = fc.record({
      replica: fc.nat(),
      what: fc.constantFrom("fails", "answers", "silent", "slow"),
      afterMs: fc.integer({ min: 0, max: 2_000 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 200 }), (count, steps) => {
        const standings: Standing[] = Array.from({ length: count }, () => IN);
        let now = 1_000;
        for (const { replica, what, afterMs } of steps) {
          now += afterMs;
          for (const [at, each] of standings.entries()) {
            if (each.kind === "out" && now >= each.at) standings[at] = probing(each);
          }
          const at = replica % count;
          const before = standings[at] ?? IN;
          let standing = before;
          if (what === "fails") standing = failed(before, now);
          else if (what === "answers") standing = succeeded(before, now);
          const ejectedCount = standings.filter(({ kind }) => kind !== "in").length;
          const decision = eject(
            { standing, isSilent: what === "silent", isSlow: what === "slow", replicaCount: count, ejectedCount },
            now,
          );
          standings[at] = decision.kind === "eject" ? decision.standing : standing;
          if (decision.kind === "eject") assert.ok(decision.forMs >= 1_000 && decision.forMs <= 30_000);
          assert.ok(standings.filter(({ kind }) => kind !== "in").length <= mostEjected(count));
        }
      }),
    );
  });
});
