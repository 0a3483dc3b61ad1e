import assert from "node:assert/strict";
import { test } from "node:test";
import { batch, deployment, requestContext, type Handle } from "thornback";
import { createTestApplication } from "thornback/testing";
import { settle } from "../../../fake/manual-clock.ts";

/** Holds every call until its signal aborts, and tells of both. */
class Slow {
  async work(): Promise<void> {
    const { signal } = requestContext();
    begun();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    aborted();
  }
}

let begun = (): void => {};
let aborted = (): void => {};

class Gateway {
  readonly #slow: Handle<Slow>;
  readonly #together = batch({ maxBatchSize: 4 }, async (items: number[]): Promise<number[]> => {
    await this.#slow.work();
    return items;
  });

  constructor(slow: Handle<Slow>) {
    this.#slow = slow;
  }

  async predict(input: number): Promise<number> {
    return input < 0 ? this.#slow.work().then(() => 0) : this.#together(input);
  }
}

test("who leaves ends the nested call made for it, and a batch's when everybody in it has left", async () => {
  const app = await createTestApplication(deployment(Gateway).bind(deployment(Slow).bind()));
  const ask = (input: number, signal: AbortSignal): Promise<unknown> =>
    app
      .fetch("/", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: String(input),
        signal,
      })
      .catch(() => "left");
  const alone = new AbortController();
  const hasBegun = new Promise<void>((resolve) => (begun = resolve));
  const hasAborted = new Promise<void>((resolve) => (aborted = resolve));
  const leaving = ask(-1, alone.signal);
  await hasBegun;
  alone.abort();
  await hasAborted;
  assert.equal(await leaving, "left");

  let abortedCount = 0;
  const batchBegun = new Promise<void>((resolve) => (begun = resolve));
  const batchAborted = new Promise<void>((resolve) => {
    aborted = () => {
      abortedCount += 1;
      resolve();
    };
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [ask(1, first.signal), ask(2, second.signal)];
  await batchBegun;
  first.abort();
  await asked[0];
  await settle();
  assert.equal(abortedCount, 0, "the other still waits for it");
  second.abort();
  await batchAborted;
  await app.close();
});
