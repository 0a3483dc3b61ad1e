/**
 * How others decide when a batch is run, as their documentation publishes it, each in a few lines; ours and the one that
 * never waits are the product's own batcher.
 */
import type { BatchCaller } from "../../batching/batch-entry.ts";
import { Batcher } from "../../batching/batcher.ts";
import { Cancellation } from "../../core/cancellation.ts";
import type { Clock } from "../../core/clock.ts";

/** Runs a batch of so many items on the one model there is; batches follow one another. */
export type Model = (size: number) => Promise<void>;

/** Answers an item when a batch with it has run. */
export type Policy = (clock: Clock, model: Model, maxBatchSize: number) => () => Promise<void>;

const CALLER: BatchCaller = { deadlineAt: Number.POSITIVE_INFINITY, cancellation: new Cancellation() };

/** Our own policy, as it is by default. */
export const OURS = "ours";

/** It with `maxWaitMs: 0`. */
export const OURS_NEVER_PAUSING = "ours, never pausing";

/** It with a model in a thread of its own, to which and from which everything travels for {@link HOP_MS}. */
export const OURS_IN_THREAD = "ours, in a thread";

/** The same where the thread is given the next batch before the one that runs has ended. */
export const OURS_AHEAD = "ours, in a thread, ahead";

/** As measured for OnnxModel under load: 1.2 ms from the end of one run to the begin of the next. */
const HOP_MS = 0.6;

/** Policies by name. */
export const POLICIES: Readonly<Record<string, Policy>> = {
  [OURS]: own({}),
  [OURS_NEVER_PAUSING]: own({ maxWaitMs: 0 }),
  [OURS_IN_THREAD]: own({ hopMs: HOP_MS }),
  [OURS_AHEAD]: own({ hopMs: HOP_MS, hasQueue: true }),
  "Ray Serve, wait 10 ms": timed(10),
  "LitServe, timeout 10 ms": litServe(10),
  "Triton, preferred 8 to 64, delay 1 ms": triton([64, 32, 16, 8], 1),
};

type OwnOptions = { readonly maxWaitMs?: number; readonly hopMs?: number; readonly hasQueue?: boolean };

function own({ maxWaitMs, hopMs = 0, hasQueue }: OwnOptions): Policy {
  return (clock, model, maxBatchSize) => {
    const defer = (callback: () => void): void => void clock.after(0, callback);
    const hop = (): Promise<void> => new Promise((resolve) => void clock.after(hopMs, resolve));
    const inTurn = oneAfterTheOther(model);
    const run = async (items: undefined[]): Promise<undefined[]> => {
      if (hopMs > 0) await hop();
      await inTurn(items.length);
      if (hopMs > 0) await hop();
      return items;
    };
    const batcher = new Batcher<undefined, undefined, BatchCaller>(
      { clock, defer, metrics: undefined },
      { maxBatchSize, maxWaitMs, hasQueue, name: () => "model", run },
    );
    return () => batcher.submit(undefined, CALLER);
  };
}

/** A batch is closed when it is full or `waitMs` after its first item, whether the model is free or not. */
function timed(waitMs: number): Policy {
  return (clock, model, maxBatchSize) => {
    const inTurn = oneAfterTheOther(model);
    let open: (() => void)[] = [];
    let timer = clock.after(0, () => undefined);
    const close = (): void => {
      timer.cancel();
      const batch = open;
      open = [];
      void inTurn(batch.length).then(() => batch.forEach((answer) => answer()));
    };
    return () =>
      new Promise((resolve) => {
        open.push(resolve);
        if (open.length === 1) timer = clock.after(waitMs, close);
        if (open.length === maxBatchSize) close();
      });
  };
}

/** The free model takes what waits, and waits up to `timeoutMs` for the batch to fill; it looks once a millisecond. */
function litServe(timeoutMs: number): Policy {
  return (clock, model, maxBatchSize) => {
    const waiting: (() => void)[] = [];
    const sleep = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
    const loop = async (): Promise<void> => {
      for (;;) {
        while (waiting.length === 0) await sleep(1);
        const until = clock.now() + timeoutMs;
        while (waiting.length < maxBatchSize && clock.now() < until) await sleep(1);
        const batch = waiting.splice(0, maxBatchSize);
        await model(batch.length);
        for (const answer of batch) answer();
      }
    };
    void loop();
    return () => new Promise((resolve) => void waiting.push(resolve));
  };
}

/** The free model takes the largest preferred size that waits, or all that waits once the oldest has waited `delayMs`. */
function triton(preferred: readonly number[], delayMs: number): Policy {
  return (clock, model) => {
    const waiting: { readonly answer: () => void; readonly at: number }[] = [];
    let isBusy = false;
    const look = (): void => {
      const [oldest] = waiting;
      if (isBusy || oldest === undefined) return;
      const isDue = clock.now() - oldest.at >= delayMs - 1e-9;
      const size = preferred.find((one) => one <= waiting.length) ?? (isDue ? waiting.length : 0);
      if (size === 0) return;
      isBusy = true;
      const batch = waiting.splice(0, size);
      void model(batch.length).then(() => {
        isBusy = false;
        for (const { answer } of batch) answer();
        look();
      });
    };
    return () =>
      new Promise((resolve) => {
        waiting.push({ answer: resolve, at: clock.now() });
        clock.after(delayMs, look);
        look();
      });
  };
}

function oneAfterTheOther(model: Model): Model {
  let last = Promise.resolve();
  return (size) => (last = last.then(() => model(size)));
}
