import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { CancelledError, ModelError, QueueFullError } from "../../../core/error.ts";
import { MODEL_CLOSE_TIMEOUT_MS, MODEL_LOAD_TIMEOUT_MS, MOST_WAITING_MODEL_USES } from "../../../core/limits.ts";
import { ModelCache, type HeldModel, type ModelCacheOptions } from "../../../sdk/model-cache.ts";
import { ManualClock, settle } from "../../fake/manual-clock.ts";

type Model = { readonly name: string; readonly bytes: number; close?(): unknown };
type Load = {
  readonly id: string;
  readonly signal: AbortSignal;
  finish(model?: Model): void;
  fail(error: Error): void;
};

/** A cache whose loads the test ends. */
class Bed {
  readonly clock = new ManualClock();
  readonly loads: Load[] = [];
  readonly warnings: string[] = [];
  readonly counted: string[] = [];
  changes = 0;
  readonly cache: ModelCache<Model>;
  readonly closed: string[] = [];

  constructor(options: Partial<ModelCacheOptions<Model>> = {}) {
    const metrics = {
      used: (found: string) => void this.counted.push(found),
      loaded: (outcome: string) => void this.counted.push(outcome),
      evicted: (reason: string) => void this.counted.push(reason),
    };
    this.cache = new ModelCache<Model>(
      {
        clock: this.clock,
        warn: (text) => void this.warnings.push(text),
        metrics,
        onChange: () => (this.changes += 1),
      },
      {
        load: (id, { signal }) =>
          new Promise<Model>((resolve, reject) => {
            const model = { name: id, bytes: 10, close: () => void this.closed.push(id) };
            this.loads.push({ id, signal, finish: (given = model) => resolve(given), fail: reject });
          }),
        maxModels: 2,
        maxBytes: Infinity,
        sizeOf: ({ bytes }) => bytes,
        ...options,
      },
    );
  }

  get loadIds(): string {
    return this.loads.map(({ id }) => id).join("");
  }

  hold(id: string, cancellation = new Cancellation()): Promise<HeldModel<Model>> {
    const held = this.cache.hold(id, cancellation);
    held.catch(() => undefined);
    return held;
  }

  /** Holds a model that is loaded at once. */
  async loaded(id: string): Promise<HeldModel<Model>> {
    const held = this.hold(id);
    await settle();
    this.loads.at(-1)?.finish();
    return held;
  }
}

test("one load serves all who ask meanwhile, and later ones find it loaded", async () => {
  const bed = new Bed();
  const [one, other] = [bed.hold("a"), bed.hold("a")];
  await settle();
  assert.equal(bed.loadIds, "a");
  bed.loads[0]?.finish();
  assert.equal((await one).model, (await other).model);
  assert.equal((await bed.hold("a")).model.name, "a");
  assert.deepEqual(bed.counted, ["absent", "loading", "ok", "loaded"]);
});

test("different models load side by side", async () => {
  const bed = new Bed();
  void bed.hold("a");
  void bed.hold("b");
  await settle();
  assert.equal(bed.loadIds, "ab");
  assert.deepEqual(bed.cache.modelIds, ["a", "b"], "told of as soon as the loads begin");
});

test("a load that fails fails all who wait, and is forgotten", async () => {
  const bed = new Bed();
  const waiting = [bed.hold("a"), bed.hold("a")];
  await settle();
  bed.loads[0]?.fail(new RangeError("no such model"));
  for (const one of waiting) await assert.rejects(one, RangeError);
  assert.deepEqual(bed.cache.modelIds, []);
  assert.equal((await bed.loaded("a")).model.name, "a");
});

test("the one used longest ago makes room, never one in use, and its close ends before the next load begins", async () => {
  const bed = new Bed();
  const a = await bed.loaded("a");
  const b = await bed.loaded("b");
  const c = bed.hold("c");
  await settle();
  assert.equal(bed.loadIds, "ab", "both are in use");
  bed.cache.release(b);
  let onClosed = (): void => {};
  assert.deepEqual(bed.closed, ["b"]);
  await settle();
  bed.loads[2]?.finish({ name: "c", bytes: 10, close: () => new Promise<void>((resolve) => (onClosed = resolve)) });
  bed.cache.release(await c);
  bed.cache.release(a);
  // a was used last, c before it.
  void bed.hold("d");
  await settle();
  assert.equal(bed.loadIds, "abc", "c is still being closed");
  onClosed();
  await settle();
  assert.equal(bed.loadIds, "abcd");
});

test("a model that is wanted again while it is closed is loaded again, and only then", async () => {
  let onClosed = (): void => {};
  const bed = new Bed({ maxModels: 1 });
  const a = bed.hold("a");
  await settle();
  bed.loads[0]?.finish({ name: "a", bytes: 1, close: () => new Promise<void>((resolve) => (onClosed = resolve)) });
  bed.cache.release(await a);
  const b = bed.hold("b");
  const again = bed.hold("a");
  await settle();
  assert.equal(bed.loadIds, "a");
  onClosed();
  await settle();
  assert.equal(bed.loadIds, "ab", "b came first");
  bed.loads[1]?.finish();
  bed.cache.release(await b);
  await settle();
  bed.loads[2]?.finish();
  assert.equal((await again).model.name, "a");
});

test("whoever is cancelled waits no longer; a load goes on without them, a wait for room does not", async () => {
  const bed = new Bed({ maxModels: 1 });
  const cancellation = new Cancellation();
  const [loading, queued] = [bed.hold("a", cancellation), bed.hold("b", cancellation)];
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(loading, CancelledError);
  await assert.rejects(queued, CancelledError);
  await assert.rejects(bed.hold("c", cancellation), CancelledError);
  await settle();
  bed.loads[0]?.finish();
  await settle();
  assert.deepEqual([bed.loadIds, bed.cache.modelIds], ["a", ["a"]]);
});

test("no more than so many may wait", async () => {
  const bed = new Bed();
  for (let count = 0; count < MOST_WAITING_MODEL_USES; count++) void bed.hold("a");
  await assert.rejects(bed.hold("b"), QueueFullError);
});

test("a load that takes too long fails those who wait, and keeps its room until it has ended", async () => {
  const bed = new Bed({ maxModels: 1 });
  const a = bed.hold("a");
  await settle();
  await bed.clock.advanceAsync(MODEL_LOAD_TIMEOUT_MS);
  await assert.rejects(a, ModelError);
  assert.equal(bed.loads[0]?.signal.aborted, true);
  const b = bed.hold("b");
  await settle();
  assert.equal(bed.loadIds, "a");
  bed.loads[0]?.finish();
  await settle();
  assert.deepEqual([bed.closed, bed.loadIds], [["a"], "ab"], "what came too late is closed");
  bed.loads[1]?.finish();
  assert.equal((await b).model.name, "b");
  assert.deepEqual(bed.counted, ["absent", "tooLate", "absent", "ok"]);
});

test("a load that does not even end when it is given up loses its room, and what it makes later is closed", async () => {
  const bed = new Bed({ maxModels: 3 });
  void bed.hold("a");
  for (const id of ["b", "c"]) bed.cache.release(await bed.loaded(id));
  await bed.clock.advanceAsync(MODEL_LOAD_TIMEOUT_MS);
  const d = bed.hold("d");
  const again = bed.hold("a");
  await bed.clock.advanceAsync(MODEL_CLOSE_TIMEOUT_MS);
  assert.match(bed.warnings.join(), /^model "a": load\(\) has not ended .* its room is given to another$/);
  assert.equal(bed.loadIds, "abcd");
  bed.loads[3]?.finish();
  bed.cache.release(await d);
  await settle();
  assert.equal(bed.loadIds, "abcda");
  bed.loads[0]?.finish();
  await settle();
  assert.deepEqual(bed.closed, ["b", "a"], "the late one is closed, and not taken for the one that is being loaded");
  bed.loads[4]?.finish();
  assert.equal((await again).model.name, "a");
});

test("a close that fails or hangs is warned of, and its room given away", async () => {
  for (const close of [() => Promise.reject(new Error("stuck")), () => new Promise<void>(() => {})]) {
    const bed = new Bed({ maxModels: 1 });
    const a = bed.hold("a");
    await settle();
    bed.loads[0]?.finish({ name: "a", bytes: 1, close });
    bed.cache.release(await a);
    void bed.hold("b");
    await bed.clock.advanceAsync(MODEL_CLOSE_TIMEOUT_MS);
    assert.equal(bed.loadIds, "ab");
    assert.match(bed.warnings.join(), /^model "a" (failed to close|was not closed)/);
  }
});

test("a model's own load is awaited, and one that fails in it is closed", async () => {
  const events: string[] = [];
  const model = (fails: boolean): Model & { load(): Promise<void> } => ({
    name: "a",
    bytes: 1,
    load: async () => {
      events.push("load");
      if (fails) throw new RangeError("broken");
    },
    close: () => events.push("close"),
  });
  const bed = new Bed();
  const failing = bed.hold("a");
  await settle();
  bed.loads[0]?.finish(model(true));
  await assert.rejects(failing, RangeError);
  const good = bed.hold("a");
  await settle();
  bed.loads[1]?.finish(model(false));
  await good;
  assert.deepEqual(events, ["load", "close", "load"]);
});

test("what is too large all together is closed once it is idle, the one used longest ago first", async () => {
  const bed = new Bed({ maxModels: 9, maxBytes: 25 });
  const held = [await bed.loaded("a"), await bed.loaded("b")];
  const c = bed.hold("c");
  await settle();
  assert.equal(bed.loadIds, "ab", "c is taken for as large as the others are");
  for (const one of held) bed.cache.release(one);
  await settle();
  bed.loads[2]?.finish({ name: "c", bytes: 30 });
  await c;
  await settle();
  assert.deepEqual([bed.closed, bed.cache.modelIds], [["a", "b"], ["c"]]);
  bed.cache.release(await c);
  assert.deepEqual(bed.cache.modelIds, ["c"], "the last one stays however large it is");
});

test("closing ends every wait and load, and closes what is loaded, in use or not", async () => {
  const bed = new Bed();
  const a = await bed.loaded("a");
  const [loading, queued] = [bed.hold("b"), bed.hold("c")];
  await settle();
  const closing = bed.cache.close();
  await assert.rejects(loading, CancelledError);
  await assert.rejects(queued, CancelledError);
  await assert.rejects(bed.hold("a"), CancelledError);
  assert.equal(bed.loads[1]?.signal.aborted, true);
  bed.loads[1]?.fail(new Error("aborted"));
  await closing;
  bed.cache.release(a);
  assert.deepEqual([bed.closed, bed.cache.modelIds], [["a"], []]);
  await bed.cache.close();
  assert.equal(bed.clock.pendingCount, 0);
});
