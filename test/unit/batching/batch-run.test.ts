import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchCaller } from "../../../batching/batch-entry.ts";
import { Batcher } from "../../../batching/batcher.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { CancelledError, HandlerError } from "../../../core/error.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const POISON = 7;

type Given = {
  readonly isPure?: boolean;
  readonly poison?: readonly number[];
  readonly thrown?: unknown;
  readonly results?: (items: number[]) => unknown[];
};

/** A handler that throws for any batch with a poison item in it. */
function bed(given: Given = {}) {
  const {
    isPure = true,
    poison = [POISON],
    thrown = new RangeError("poison"),
    results = (items: number[]): unknown[] => items.map((item) => item * 2),
  } = given;
  const clock = new ManualClock();
  const runs: number[][] = [];
  const batcher = new Batcher<number, unknown, BatchCaller>(
    { clock, defer: systemDefer, metrics: undefined },
    {
      maxBatchSize: 32,
      isPure,
      name: () => "method name",
      run: async (items) => {
        runs.push([...items]);
        await Promise.resolve();
        if (items.some((item) => poison.includes(item))) throw thrown;
        return results(items);
      },
    },
  );
  const submit = (item: number, cancellation = new Cancellation()): Promise<unknown> =>
    batcher.submit(item, { deadlineAt: Number.POSITIVE_INFINITY, cancellation });
  return { clock, runs, submit };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

test("of 32 for a pure handler, one of them poison and one cancelled: 30 right answers, one error, one never computed", async () => {
  const { runs, submit } = bed();
  const gone = new Cancellation();
  const answers = range(32).map((item) => submit(item, item === 20 ? gone : undefined));
  gone.cancel(new CancelledError("gone"));
  const outcomes = await Promise.allSettled(answers);
  for (const [item, outcome] of outcomes.entries()) {
    if (item === POISON) assert.ok(outcome.status === "rejected" && outcome.reason instanceof RangeError);
    else if (item === 20) assert.ok(outcome.status === "rejected" && outcome.reason instanceof CancelledError);
    else assert.deepEqual(outcome, { status: "fulfilled", value: item * 2 });
  }
  assert.ok(runs.every((items) => !items.includes(20)));
  assert.ok(runs.length <= 11, `${runs.length} runs`);
});

test("a handler that may do more than compute is never run again: all of its batch fail", async () => {
  const { runs, submit } = bed({ isPure: false });
  const outcomes = await Promise.allSettled(range(8).map((item) => submit(item)));
  assert.ok(outcomes.every(({ status }) => status === "rejected"));
  assert.equal(runs.length, 1);
});

test("an item that is cancelled while the culprit is looked for is not run again", async () => {
  const gone = new Cancellation();
  const { runs, submit } = bed({
    // Of the half without the culprit, which runs first.
    results: (items) => {
      gone.cancel(new CancelledError("gone"));
      return items;
    },
  });
  const outcomes = await Promise.allSettled(range(8).map((item) => submit(item, item === 6 ? gone : undefined)));
  assert.deepEqual(
    runs.filter((items) => items.includes(6)).map(({ length }) => length),
    [8],
  );
  const rejected = outcomes.map((one) => one.status === "rejected" && one.reason instanceof CancelledError);
  assert.deepEqual(rejected.indexOf(true), 6);
});

test("where everything fails it is not tried for ever", async () => {
  const { runs, submit } = bed({ poison: range(32) });
  const outcomes = await Promise.allSettled(range(32).map((item) => submit(item)));
  assert.ok(outcomes.every(({ status }) => status === "rejected"));
  assert.ok(runs.length <= 21, `${runs.length} runs`);
});

test("31 results for 32 items fail the batch with an error that says so, however pure, and the next batch runs", async () => {
  const { runs, submit } = bed({ poison: [], results: (items) => (items.length > 1 ? items.slice(1) : items) });
  const outcomes = await Promise.allSettled(range(32).map((item) => submit(item)));
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof HandlerError);
    assert.match(outcome.reason.message, /method name was given 32 items and returned an array of 31/);
  }
  assert.equal(runs.length, 1);
  assert.equal(await submit(1), 1);
});

test("a half that gets too few results while the culprit is looked for fails, and is not halved again", async () => {
  const { runs, submit } = bed({ results: (items) => (items.includes(0) ? items.slice(1) : items) });
  const outcomes = await Promise.allSettled(range(8).map((item) => submit(item)));
  const failedBy = (item: number): unknown => {
    const outcome = outcomes[item];
    return outcome?.status === "rejected" ? outcome.reason : undefined;
  };
  for (const item of range(4)) assert.match(String(failedBy(item)), /was given 4 items and returned an array of 3/);
  assert.deepEqual([4, 5, 6].map(failedBy), [undefined, undefined, undefined]);
  assert.ok(failedBy(POISON) instanceof RangeError);
  assert.equal(runs.filter((items) => items.includes(0)).length, 2);
});

test("what is thrown that is no Error and has no text fails its batch alone too, and the next one runs", async () => {
  const { submit } = bed({ thrown: Object.create(null) });
  await assert.rejects(submit(POISON), /no Error and has no text/);
  assert.equal(await submit(1), 2);
});

test("a result that cannot even be looked at fails what is left of its batch alone, and the next one runs", async () => {
  const revoked = (): unknown => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const { submit } = bed({ isPure: false, results: (items) => items.map((item) => (item === 1 ? revoked() : item)) });
  const outcomes = await Promise.allSettled([0, 1, 2].map((item) => submit(item)));
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected"],
  );
  assert.equal(await submit(5), 5);
});
