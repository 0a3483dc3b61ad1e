import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { construct } from "../../../core/construction.ts";
import { CancelledError, InvalidRequestError, ModelError, type InvalidSpecError } from "../../../core/error.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import type { RequestContext } from "../../../core/request-context.ts";
import { runInScope, type RequestScope } from "../../../core/request-scope.ts";
import { models, type Models } from "../../../sdk/models.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

function request(modelId: string): RequestScope {
  const context = { requestId: "r", deadlineAt: 1e12, modelId } as RequestContext;
  return { context, cancellation: new Cancellation(), priority: 0, depth: 0, traceparent: "" };
}

const within = <T>(scope: RequestScope, code: () => T): T => runInScope({ kind: "request", request: scope }, code);
const named = (maxModels = 3): Models<string> => models({ load: (id) => `model ${id}`, maxModels });

test("works without a replica: a model by its id, loaded when it is first used", async () => {
  const held = named();
  assert.deepEqual(held.ids, []);
  assert.equal(
    await held.use("team/digits:v2", (model, id) => `${model} as ${id}`),
    "model team/digits:v2 as team/digits:v2",
  );
  assert.deepEqual(held.ids, ["team/digits:v2"]);
  await held.close();
  await assert.rejects(
    held.use("a", () => 1),
    CancelledError,
  );
});

test("use without an id takes the model that the request asks for", async () => {
  const held = named();
  assert.equal(await within(request("a"), () => held.use((model) => model)), "model a");
  const batch = (...ids: string[]): Promise<string> =>
    runInScope({ kind: "batch", requests: ids.map(request) }, () => held.use((model) => model));
  assert.equal(await batch("b", "b"), "model b");
  await assert.rejects(batch("a", "b"), /several models/);
});

test("a request that names no model, or none that can be one, is refused in words that say what to do", async () => {
  const held = named();
  const asked = (id: string): Promise<string> => within(request(id), () => held.use((model) => model));
  await assert.rejects(
    asked(""),
    /InvalidRequestError: the request names no model: send the header x-thornback-model-id/,
  );
  await assert.rejects(
    held.use((model) => model),
    InvalidRequestError,
  );
  for (const bad of ["../secret", "a/../b", "/etc/passwd", "a//b", ".hidden", "a b", "ä", "x".repeat(129)])
    await assert.rejects(
      held.use(bad, () => 1),
      InvalidRequestError,
      bad,
    );
  assert.deepEqual(held.ids, []);
});

test("a model is in use until what the code returned has settled, or its last item is out", async () => {
  const closed: string[] = [];
  const held = models({ load: (id) => ({ close: () => closed.push(id) }), maxModels: 1 });
  let finish = (): void => {};
  const used = held.use("a", () => new Promise<void>((resolve) => (finish = resolve)));
  const other = held.use("b", () => "used");
  await new Promise(setImmediate);
  assert.deepEqual(closed, []);
  finish();
  await used;
  assert.equal(await other, "used");
  assert.deepEqual(closed, ["a"]);

  const items: number[] = [];
  for await (const item of held.stream("c", () => [1, 2, 3])) {
    items.push(item);
    if (item === 2) break;
    assert.deepEqual(held.ids, ["c"]);
  }
  await held.use("d", () => 1);
  assert.deepEqual(
    [items, closed],
    [
      [1, 2],
      ["a", "b", "c"],
    ],
  );
});

test("a use in a batch leaves nothing behind with the requests that it worked for", async () => {
  let listenerCount = 0;
  class Counted extends Cancellation {
    override onCancel(listener: Parameters<Cancellation["onCancel"]>[0]): () => void {
      const unsubscribe = super.onCancel(listener);
      listenerCount += 1;
      return () => {
        listenerCount -= 1;
        unsubscribe();
      };
    }
  }
  const requests = [{ context: { modelId: "a" }, cancellation: new Counted() }] as unknown as RequestScope[];
  const many = models({ load: (id) => id, maxModels: 1 });
  for (let use = 0; use < 3; use++) await runInScope({ kind: "batch", requests }, () => many.use(() => {}));
  assert.equal(listenerCount, 0);
});

test("an error of the code is the caller's, and gives the model back", async () => {
  const held = named(1);
  await assert.rejects(
    held.use("a", () => {
      throw new RangeError("mine");
    }),
    RangeError,
  );
  assert.equal(await held.use("b", (model) => model), "model b");
});

test("maxBytes asks sizeOf, else the model's own fileBytes, and says so where there is neither", async () => {
  const sized = models({ load: (id) => ({ id, fileBytes: 10 }), maxModels: 9, maxBytes: 25 });
  for (const id of ["a", "b", "c"]) await sized.use(id, () => 1);
  assert.deepEqual(sized.ids, ["b", "c"]);
  await assert.rejects(
    models({ load: (id) => id, maxModels: 9, maxBytes: 1 }).use("a", () => 1),
    /give it sizeOf/,
  );
  await assert.rejects(
    models({ load: (id) => id, maxModels: 9, maxBytes: 1, sizeOf: () => Number.NaN }).use("a", () => 1),
    ModelError,
  );
});

test("options that cannot be used are all listed", () => {
  assert.throws(
    () => models({ load: "a" as never, maxModels: 0, maxBytes: -1, sizeOf: 3 as never }),
    (error: InvalidSpecError) =>
      error.details.problems?.map(({ path }) => path).join() === "load,maxModels,maxBytes,sizeOf",
  );
});

test("made in a constructor it is known to its replica, private field or not, and tells it of every change", async () => {
  class Main {
    readonly #models = named(2);
    use(id: string): Promise<string> {
      return this.#models.use(id, (model) => model);
    }
  }
  const { instance, registered } = construct(() => new Main());
  const [cache] = registered.modelCaches;
  const told: string[] = [];
  const metrics = createMetrics();
  cache?.attach({
    clock: new ManualClock(),
    log: new RecordingLog(),
    metrics,
    deployment: "app/Main",
    onChange: () => told.push(cache.modelIds.join("")),
  });
  for (const id of ["a", "b", "a", "c"]) await instance.use(id);
  assert.deepEqual(
    told.filter((one, at) => one !== told[at - 1]),
    ["a", "ab", "a", "ac"],
  );
  const values = metrics
    .samples()
    .flatMap(({ name, labels, values: [value] }) => `${name} ${labels["found"] ?? ""} ${value}`);
  for (const line of [
    "thornback_model_uses_total loaded 1",
    "thornback_model_uses_total absent 3",
    "thornback_model_evictions_total  1",
  ])
    assert.ok(values.includes(line), values.join("\n"));
  await cache?.close();
});
