import { Cancellation } from "../core/cancellation.ts";
import type { Clock } from "../core/clock.ts";
import { CancelledError, HandlerError, QueueFullError } from "../core/error.ts";
import { MOST_STREAM_WAITING_ITEMS, STREAM_LAG_TIMEOUT_MS } from "../core/limits.ts";
import type { RequestContext } from "../core/request-context.ts";
import {
  currentRequest,
  runInScope,
  runOutsideScope,
  type CurrentScope,
  type RequestScope,
} from "../core/request-scope.ts";
import { callerLocation } from "../core/user-frame.ts";
import { BatchMethodCaller, BatchMethodQueue, type BatchMethodLimits, type BatchSuitOptions } from "./batch-method.ts";
import { ItemChannel } from "./item-channel.ts";

/** Yielded in a caller's place, it ends that caller's stream; those of the others go on. */
export const streamEnd: unique symbol = Symbol("thornback.streamEnd");

/** Options of {@link streamingBatch}. */
export type StreamingBatchOptions<I = never> = BatchMethodLimits & BatchSuitOptions<I>;

/**
 * What a handler of {@link streamingBatch} yields, one entry per item: what that caller gets next, `undefined` for nothing
 * this time, an `Error` that ends its stream, or {@link streamEnd}.
 */
export type StreamingBatchStep<O> = readonly (O | Error | undefined | typeof streamEnd)[];

/** What {@link streamingBatch} gives: a function of one item. */
export type StreamingBatchMethod<I, O> = {
  (item: I): AsyncGenerator<O, void, void>;
  /**
   * Changes limits from the next batch on; what is left out stays.
   *
   * @throws {InvalidSpecError} as `streamingBatch` does.
   */
  configure(limits: Partial<BatchMethodLimits>): void;
};

/**
 * As `batch`, for handlers whose results come bit by bit: turns an async generator of many items into one of one item.
 *
 * The handler yields arrays with one entry per item, in the order of the items. `yield` gives it which callers still listen:
 * one that has left, was cancelled or had its {@link streamEnd} is false, and what is yielded for it is dropped. When nobody
 * listens any more the handler is told to return. The handler waits for a caller that reads more slowly than it yields; one
 * that holds it up for a second fails, so that the others can go on.
 *
 * @throws {InvalidSpecError} when a limit cannot be used, with every problem.
 * @example
 * ```ts
 * import { deployment, streamEnd, streamingBatch } from "thornback";
 *
 * class Countdown {
 *   count = streamingBatch({ maxBatchSize: 16 }, async function* (starts: number[]) {
 *     for (let step = 0; step <= Math.max(...starts); step++) {
 *       yield starts.map((start) => (step <= start ? start - step : streamEnd));
 *     }
 *   });
 *
 *   predict(input: { from: number }) {
 *     return this.count(input.from);
 *   }
 * }
 *
 * export default deployment(Countdown).bind();
 * ```
 */
export function streamingBatch<I, O>(
  options: StreamingBatchOptions<I>,
  handler: (
    items: I[],
    contexts: RequestContext[],
  ) => AsyncGenerator<StreamingBatchStep<O>, void, readonly boolean[] | undefined>,
): StreamingBatchMethod<I, Exclude<O, Error | undefined | typeof streamEnd>> {
  type Queued = { readonly item: I; readonly channel: ItemChannel<O> };
  const queue = new BatchMethodQueue<I, undefined, Queued>({
    madeBy: "streamingBatch",
    madeAt: callerLocation(streamingBatch),
    options,
    isPure: false,
    isEarly: true,
    handler,
    itemOf: ({ item }) => item,
    run: async (queued, callers) => {
      const requests = callers.map((caller) => caller.request);
      const contexts = requests.map((request) => request.context);
      const scope: CurrentScope = { kind: "batch", requests };
      const inputs = queued.map(({ item }) => item);
      const stream: Partial<StepStream<O>> = runInScope(scope, () => handler(inputs, contexts));
      if (!isStepStream(stream)) {
        throw new HandlerError(
          `the handler of ${queue.name} must be an async generator: async function* (items) { … }`,
        );
      }
      const channels = queued.map(({ channel }) => channel);
      await drive(stream, channels, { scope, name: queue.name, clock: queue.clock });
      return queued.map(() => undefined);
    },
  });
  const call = (item: I): AsyncGenerator<O, void, void> => listen(queue, item, currentRequest());
  const method = Object.assign(call, { configure: (limits: Partial<BatchMethodLimits>) => queue.configure(limits) });
  queue.register(method);
  return method as StreamingBatchMethod<I, Exclude<O, Error | undefined | typeof streamEnd>>;
}

/** One caller's side: waits for a batch, then gives what comes. Leaving it takes the item out of its batch. */
async function* listen<I, O>(
  queue: BatchMethodQueue<I, undefined, { readonly item: I; readonly channel: ItemChannel<O> }>,
  item: I,
  request: RequestScope,
): AsyncGenerator<O, void, void> {
  const channel = new ItemChannel<O>();
  const cancellation = new Cancellation();
  const unsubscribe = request.cancellation.onCancel((reason) => cancellation.cancel(reason));
  // Outside the caller's scope: the loop outlives the request that happened to start it.
  const ended = runOutsideScope(() => queue.submit({ item, channel }, new BatchMethodCaller(request, cancellation)));
  ended.then(
    () => channel.end(),
    (error: Error) => channel.end(error),
  );
  try {
    for (let step = await channel.take(); !step.done; step = await channel.take()) yield step.value;
  } finally {
    unsubscribe();
    channel.end();
    cancellation.cancel(new CancelledError("the caller has left the stream"));
  }
}

type StepStream<O> = AsyncGenerator<StreamingBatchStep<O>, void, readonly boolean[] | undefined>;

type Driving = { readonly scope: CurrentScope; readonly name: string; readonly clock: Clock };

/** The batch's side: hands on what the handler yields, until it returns or nobody listens. Rejects with what it throws. */
async function drive<O>(
  stream: StepStream<O>,
  channels: readonly ItemChannel<O>[],
  { scope, name, clock }: Driving,
): Promise<void> {
  let listening: readonly boolean[] | undefined;
  do {
    const step = await runInScope(scope, () => stream.next(listening));
    if (step.done === true) return;
    try {
      handOn(step.value, channels, name);
    } catch (error) {
      // What it throws while it is ended says less than why it is.
      await Promise.allSettled([runInScope(scope, () => stream.return())]);
      throw error;
    }
    await roomInAll(channels, clock);
    listening = channels.map((channel) => channel.isOpen);
  } while (listening.includes(true));
  await runInScope(scope, () => stream.return());
}

function isStepStream<O>(stream: Partial<StepStream<O>> | undefined): stream is StepStream<O> {
  return typeof stream?.next === "function" && typeof stream.return === "function";
}

/** Waits for callers that are far behind; those that make the others wait too long fail. */
async function roomInAll<O>(channels: readonly ItemChannel<O>[], clock: Clock): Promise<void> {
  const behind = channels.filter((channel) => channel.isFull);
  if (behind.length === 0) return;
  const giveUp = (): void => {
    const text = `the stream's caller was ${MOST_STREAM_WAITING_ITEMS} items behind for ${STREAM_LAG_TIMEOUT_MS} ms: read faster`;
    for (const channel of behind) if (channel.isFull) channel.end(new QueueFullError(text));
  };
  const timer = clock.after(STREAM_LAG_TIMEOUT_MS, giveUp);
  await Promise.all(behind.map((channel) => new Promise<void>((resolve) => channel.onRoom(resolve))));
  timer.cancel();
}

function handOn<O>(values: StreamingBatchStep<O>, channels: readonly ItemChannel<O>[], name: string): void {
  if (!Array.isArray(values) || values.length !== channels.length) {
    const got = Array.isArray(values) ? `an array of ${values.length}` : typeof values;
    throw new HandlerError(
      `the batch handler of ${name} was given ${channels.length} items and yielded ${got}; ` +
        `yield an array of ${channels.length}, in the order of the items, with undefined where there is nothing new`,
    );
  }
  for (const [at, channel] of channels.entries()) {
    const value = values[at];
    if (value === undefined) continue;
    if (value === streamEnd) channel.end();
    else if (value instanceof Error) channel.end(value);
    else channel.push(value as O);
  }
}
