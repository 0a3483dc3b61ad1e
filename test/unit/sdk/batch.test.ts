import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemDefer } from "../../../core/clock.ts";
import { construct } from "../../../core/construction.ts";
import { CancelledError, InvalidSpecError } from "../../../core/error.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import type { RequestContext } from "../../../core/request-context.ts";
import { runInScope, type RequestScope } from "../../../core/request-scope.ts";
import { batch } from "../../../sdk/batch.ts";
import { requestContext } from "../../../sdk/context.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

function request(requestId: string): RequestScope {
  const cancellation = new Cancellation();
  const context = { requestId, deadlineAt: 1e12 } as RequestContext;
  return { context, cancellation, priority: 0, depth: 0, traceparent: "" };
}

const within = <T>(scope: RequestScope, code: () => T): T => runInScope({ kind: "request", request: scope }, code);

test("works without a replica, and keeps `this` of the class", async () => {
  class Doubler {
    readonly #factor = 2;
    double = batch({ maxBatchSize: 8 }, (numbers: number[]) => numbers.map((number) => number * this.#factor));
  }
  const doubler = new Doubler();
  assert.deepEqual(await Promise.all([1, 2, 3].map((number) => doubler.double(number))), [2, 4, 6]);
});

test("an Error in the results is that caller's rejection, and not part of the result's type", async () => {
  const root = batch({ maxBatchSize: 8 }, (numbers: number[]) =>
    numbers.map((number) => (number >= 0 ? Math.sqrt(number) : new RangeError("negative"))),
  );
  const good: Promise<number> = root(9);
  await assert.rejects(root(-1), RangeError);
  assert.equal(await good, 3);
});

test("each item comes with its caller's context", async () => {
  const ids = batch({ maxBatchSize: 8 }, (items: string[], contexts) =>
    items.map((item, at) => `${item}:${contexts[at]?.requestId}`),
  );
  const answers = ["a", "b"].map((item) => within(request(`request-${item}`), () => ids(item)));
  assert.deepEqual(await Promise.all(answers), ["a:request-a", "b:request-b"]);
  assert.equal(await ids("c"), "c:", "outside any request the id is empty");
});

test("requestContext throws in a handler and names contexts, also after an await", async () => {
  const asks = batch({ maxBatchSize: 8 }, async (items: number[]) => {
    await Promise.resolve();
    requestContext();
    return items;
  });
  await assert.rejects(
    within(request("r"), () => asks(1)),
    /contexts/,
  );
});

test("requestContext is the caller's again after a batch method", async () => {
  const same = batch({ maxBatchSize: 8 }, (items: number[]) => items);
  const id = await within(request("mine"), async () => {
    await same(1);
    return requestContext().requestId;
  });
  assert.equal(id, "mine");
});

test("a caller that goes away is left out of the batch", async () => {
  const seen: number[] = [];
  const see = batch({ maxBatchSize: 8 }, (items: number[]) => {
    seen.push(...items);
    return items;
  });
  const leaver = request("leaver");
  const left = assert.rejects(
    within(leaver, () => see(1)),
    CancelledError,
  );
  const stays = see(2);
  leaver.cancellation.cancel(new CancelledError("gone"));
  await left;
  assert.equal(await stays, 2);
  assert.deepEqual(seen, [2]);
});

test("private batch methods register too, and errors name the method they were attached as", async () => {
  class Main {
    open = batch({ maxBatchSize: 4 }, () => []);
    readonly #hidden = batch({ maxBatchSize: 16 }, (items: number[]) => items);
    use(item: number): Promise<number> {
      return this.#hidden(item);
    }
  }
  const { instance, registered } = construct(() => new Main());
  assert.deepEqual(
    registered.batches.map(({ maxBatchSize }) => maxBatchSize),
    [4, 16],
  );
  assert.equal(registered.batches[0]?.call, instance.open);
  const attachment = { clock: new ManualClock(), defer: systemDefer, metrics: createMetrics(), deployment: "app/Main" };
  registered.batches[0]?.attach({ ...attachment, method: "open" });
  await assert.rejects(instance.open(undefined as never), /batch handler of method open was given 1 items/);
});

test("without a replica errors name the line that made the batch method", async () => {
  const wrong = batch({ maxBatchSize: 4 }, () => [] as number[]);
  await assert.rejects(wrong(undefined as never), /batch\(\) at .*batch\.test\.ts:\d+:\d+/);
});

test("a maxBatchSize that is no whole number is refused at once", () => {
  for (const maxBatchSize of [0, 1.5, Number.NaN, "8" as unknown as number]) {
    assert.throws(() => batch({ maxBatchSize }, (items: number[]) => items), InvalidSpecError);
  }
});

test("options of wrong types, as plain JavaScript may give, are all listed", () => {
  const options = { maxBatchSize: 4, maxWaitMs: "5", maxCost: "100", costOf: 5, bucketBy: "length" };
  assert.throws(
    () => batch(options as never, undefined as never),
    /^InvalidSpecError: batch\(\): maxWaitMs must .*; maxCost must .*; handler must .*; costOf must .*; bucketBy must be a function$/,
  );
  assert.throws(() => batch({ maxBatchSize: 4 }, () => []).configure({ maxWaitMs: null as never }), InvalidSpecError);
});

test("outside any request requestContext says where to call it", () => {
  assert.throws(() => requestContext(), /outside a request/);
});

test("requests for different model ids never run together", async () => {
  const runs: string[][] = [];
  const name = batch({ maxBatchSize: 8 }, (items: string[], contexts) => {
    runs.push(contexts.map(({ modelId }) => modelId));
    return items;
  });
  const ask = (modelId: string): Promise<string> => {
    const scope = request(modelId);
    const context = { ...scope.context, modelId };
    return within({ ...scope, context }, () => name(modelId));
  };
  const ids = ["a", "b", "a", "c", "b"];
  assert.deepEqual(await Promise.all(ids.map(ask)), ids);
  assert.deepEqual(runs, [["a", "a"], ["b", "b"], ["c"]]);
});

test("what bucketBy and costOf say keeps items apart, and what they may not say fails that item alone", async () => {
  const runs: number[][] = [];
  const sum = batch(
    {
      maxBatchSize: 8,
      maxCost: 10,
      costOf: (item: number) => item,
      bucketBy: (item) => (item < 0 ? (undefined as unknown as string) : item % 2 === 0 ? "even" : "odd"),
    },
    (items: number[]) => {
      runs.push(items);
      return items;
    },
  );
  const bad = assert.rejects(sum(-1), /bucketBy of .* must return a number or a string, and returned undefined/);
  await Promise.all([2, 3, 4, 5, 8].map((item) => sum(item)));
  await bad;
  assert.deepEqual(runs, [[2, 4], [3, 5], [8]]);
});

test("an option that is spelt wrongly is refused, when it is made and when it is changed", () => {
  const misspelt = { maxBatchSize: 4, maxWaitMS: 5 };
  assert.throws(() => batch(misspelt, (items: number[]) => items), /maxWaitMS is no option; there are maxBatchSize/);
  const method = batch({ maxBatchSize: 4 }, (items: number[]) => items);
  const changed = { max: 4 } as object;
  assert.throws(() => method.configure(changed), /max is no option/);
});
