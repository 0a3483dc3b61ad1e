import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError } from "../../core/error.ts";
import { ModelCache, type HeldModel } from "../../sdk/model-cache.ts";
import { ManualClock, settle } from "../fake/manual-clock.ts";

type Model = { readonly id: string; readonly bytes: number; close(): Promise<void> };

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("hold" as const), id: fc.constantFrom("a", "b", "c", "d", "e") }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("release" as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), at: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("load" as const), at: fc.nat(), fails: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("close" as const), at: fc.nat() }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A cache whose loads and closes end when the test says so, and what it may not do. */
class World {
  readonly cache: ModelCache<Model>;
  readonly held: HeldModel<Model>[] = [];
  readonly cancellations: Cancellation[] = [];
  readonly loads: { readonly id: string; finish(fails: boolean): void }[] = [];
  readonly closes: (() => void)[] = [];
  readonly #maxModels: number;
  openCount = 0;
  #takenCount = 0;

  constructor(maxModels: number, maxBytes: number) {
    this.#maxModels = maxModels;
    const deps = {
      clock: new ManualClock(),
      warn: (text: string) => assert.fail(text),
      metrics: undefined,
      onChange: () => {},
    };
    const load = (id: string): Promise<Model> => this.#load(id);
    this.cache = new ModelCache(deps, { maxModels, maxBytes, sizeOf: ({ bytes }) => bytes, load });
  }

  act(next: Step): void {
    if (next.kind === "hold") this.#hold(next.id);
    else if (next.kind === "release") {
      const [held] = this.held.splice(next.at % Math.max(1, this.held.length), 1);
      if (held !== undefined) this.cache.release(held);
    } else if (next.kind === "cancel")
      this.cancellations[next.at % Math.max(1, this.cancellations.length)]?.cancel(new CancelledError("gone"));
    else if (next.kind === "load")
      this.loads.splice(next.at % Math.max(1, this.loads.length), 1)[0]?.finish(next.fails);
    else this.closes.splice(next.at % Math.max(1, this.closes.length), 1)[0]?.();
  }

  #hold(id: string): void {
    const cancellation = new Cancellation();
    this.cancellations.push(cancellation);
    this.openCount += 1;
    this.cache.hold(id, cancellation).then(
      (held) => {
        assert.equal(held.model.id, id);
        this.openCount -= 1;
        this.held.push(held);
      },
      () => (this.openCount -= 1),
    );
  }

  #load(id: string): Promise<Model> {
    assert.ok(!this.loads.some((one) => one.id === id), `${id} is loaded twice at once`);
    this.#takenCount += 1;
    assert.ok(this.#takenCount <= this.#maxModels, `${this.#takenCount} models take room`);
    return new Promise((resolve, reject) => {
      const model = { id, bytes: id.charCodeAt(0) - 96, close: () => this.#close(id) };
      this.loads.push({
        id,
        finish: (fails) => {
          if (!fails) return resolve(model);
          this.#takenCount -= 1;
          reject(new Error("it does not load"));
        },
      });
    });
  }

  #close(id: string): Promise<void> {
    assert.ok(!this.held.some((held) => held.id === id), `${id} is closed in use`);
    return new Promise((resolve) => {
      this.closes.push(() => {
        this.#takenCount -= 1;
        resolve();
      });
    });
  }
}

describe("a cache of models", () => {
  it("never has too many, loads none twice at once, closes none in use, and serves all who wait in the end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(Infinity, 6, 1),
        async (steps, maxModels, maxBytes) => {
          const world = new World(maxModels, maxBytes);
          for (const next of steps) {
            world.act(next);
            await settle();
          }
          // Everybody gives back, every load and every close comes to its end: then nobody may be left waiting.
          for (let round = 0; round < 200 && world.openCount > 0; round++) {
            for (const kind of ["release", "load", "close"] as const) world.act({ kind, at: 0, fails: false });
            await settle();
          }
          assert.equal(world.openCount, 0, "somebody waits for ever");
        },
      ),
      { numRuns: 300 },
    );
  });
});
