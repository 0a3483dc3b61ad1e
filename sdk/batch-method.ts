import type { BatchCaller } from "../batching/batch-entry.ts";
import type { ItemTraits } from "../batching/batch-handler.ts";
import { batchMetrics } from "../batching/batch-metrics.ts";
import type { BatchRunner } from "../batching/batch-run.ts";
import { Batcher, type BatcherDeps } from "../batching/batcher.ts";
import type { Cancellation } from "../core/cancellation.ts";
import { systemDefer, waitingClock, type Clock } from "../core/clock.ts";
import { registerBatch } from "../core/construction.ts";
import { HandlerError } from "../core/error.ts";
import { ProblemList } from "../core/problem-list.ts";
import type { RequestScope } from "../core/request-scope.ts";

/** Limits of a batch method; they may change while it is used. */
export type BatchMethodLimits = {
  /**
   * Most items the handler is given at once. No default: it depends on the model and its memory. 1 turns batching off;
   * far more than arrive while one batch runs changes nothing, and sizes that buy less than 3 % are not used.
   */
  readonly maxBatchSize: number;
  /**
   * Most that an item waits while the handler is idle, in milliseconds. By default nothing waits, but where callers that had
   * their answers are about to come back and running with them is the sooner end for all: half of a run at most.
   * 0 turns that off too. It is never waited for a batch to fill, so that more than a run takes changes nothing.
   */
  readonly maxWaitMs?: number;
  /**
   * Most that the items of a batch may cost together: tokens, pixels, bytes of memory. Default: no limit. What an item costs
   * is `costOf`'s to say, else its length by `bucketBy`, padding included. An item that costs more than this by itself fails.
   */
  readonly maxCost?: number;
};

/** Which items run together. */
export type BatchSuitOptions<I> = {
  /**
   * What an item costs, in the unit of `maxCost`; a number of 0 or more. The handler's time is then learned by cost, unless
   * `bucketBy` gives lengths.
   */
  readonly costOf?: (item: I) => number;
  /**
   * Which items suit one another. A text or a shape's name: items of different ones never run together. A number: the
   * item's length, where the handler pads all items to the longest of the batch; then items of about one length run
   * together, as many as do the most in the time they take, as learned. How much is padding, the metrics say.
   */
  readonly bucketBy?: (item: I) => number | string;
};

/** One request's place in a batch. */
export class BatchMethodCaller implements BatchCaller {
  readonly request: RequestScope;
  readonly deadlineAt: number;
  readonly cancellation: Cancellation;

  constructor(request: RequestScope, cancellation: Cancellation) {
    this.request = request;
    this.deadlineAt = request.context.deadlineAt;
    this.cancellation = cancellation;
  }

  get priority(): number {
    return this.request.priority;
  }
}

/** What a batch method is made of. */
export type BatchMethodDefinition<I, O, T> = {
  /** Function of the SDK that made it, and where: `batch() at app.ts:5`. */
  readonly madeBy: string;
  readonly madeAt: () => string;
  readonly options: BatchMethodLimits & BatchSuitOptions<I>;
  readonly isPure: boolean;
  /** Answers come while the handler runs. */
  readonly isEarly: boolean;
  /** What users gave; `run` calls it. */
  readonly handler: unknown;
  /** What users call an item, out of what is queued. */
  readonly itemOf: (queued: T) => I;
  readonly run: BatchRunner<T, O, BatchMethodCaller>["run"];
};

/** What is common to batch methods, whatever their handlers answer: the batcher, made on first use, and its limits. */
export class BatchMethodQueue<I, O, T = I> {
  readonly #definition: BatchMethodDefinition<I, O, T>;
  #limits: BatchMethodLimits;
  #deps: BatcherDeps = { clock: waitingClock, defer: systemDefer, metrics: undefined };
  #method = "";
  #batcher: Batcher<T, O, BatchMethodCaller> | undefined;

  /** @throws {InvalidSpecError} when an option cannot be used, with every problem. */
  constructor(definition: BatchMethodDefinition<I, O, T>) {
    const { madeBy, options } = definition;
    const problems = new ProblemList();
    readLimits(options, problems);
    readFunctions(definition, problems);
    problems.throwIfAny(`${madeBy}()`);
    this.#definition = definition;
    this.#limits = options;
  }

  /** How errors name it. */
  get name(): string {
    const { madeBy, madeAt } = this.#definition;
    return this.#method === "" ? `${madeBy}() at ${madeAt()}` : `method ${this.#method}`;
  }

  /** What its deadlines are told in. */
  get clock(): Clock {
    return this.#deps.clock;
  }

  submit(item: T, caller: BatchMethodCaller): Promise<O> {
    this.#batcher ??= this.#makeBatcher();
    return this.#batcher.submit(item, caller);
  }

  configure(changed: Partial<BatchMethodLimits>): void {
    const limits = { ...this.#limits, ...changed };
    const problems = new ProblemList();
    readLimits(limits, problems);
    problems.throwIfAny("configure()");
    this.#limits = limits;
    this.#batcher?.configure(limits);
  }

  /** Makes `call`, which users hold, known to the construction that is going on. */
  register(call: unknown): void {
    const maxBatchSize = (): number => this.#limits.maxBatchSize;
    registerBatch({
      call,
      get maxBatchSize() {
        return maxBatchSize();
      },
      isChoosing: this.#definition.options.bucketBy !== undefined,
      report: (method) => this.#batcher?.report(method),
      work: () => this.#batcher?.work,
      attach: ({ clock, defer, metrics, deployment, method }) => {
        this.#method = method;
        this.#deps = { clock, defer, metrics: batchMetrics(metrics, deployment, method) };
      },
    });
  }

  #makeBatcher(): Batcher<T, O, BatchMethodCaller> {
    const { isPure, isEarly, itemOf, run } = this.#definition;
    return new Batcher(this.#deps, {
      ...this.#limits,
      isPure,
      isEarly,
      name: () => this.name,
      traitsOf: (queued, caller) => this.#traitsOf(itemOf(queued), caller),
      run,
    });
  }

  #traitsOf(item: I, { request }: BatchMethodCaller): ItemTraits {
    const { bucketBy, costOf } = this.#definition.options;
    const { modelId } = request.context;
    const cost = costOf?.(item);
    if (bucketBy === undefined) return { key: modelId, cost };
    const bucket: unknown = bucketBy(item);
    if (typeof bucket === "number") return { key: modelId, length: bucket, cost };
    if (typeof bucket === "string") return { key: `${modelId}\n${bucket}`, cost };
    throw new HandlerError(`bucketBy of ${this.name} must return a number or a string, and returned ${typeof bucket}`);
  }
}

const OPTION_NAMES: ReadonlySet<string> = new Set([
  "maxBatchSize",
  "maxWaitMs",
  "maxCost",
  "costOf",
  "bucketBy",
  "pure",
]);

/** A name that is spelt wrongly would be a limit that is not kept. */
function readLimits(options: BatchMethodLimits, problems: ProblemList): void {
  const { maxBatchSize, maxWaitMs, maxCost } = options;
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.has(name)) problems.add(name, `is no option; there are ${[...OPTION_NAMES].join(", ")}`);
  }
  if (!Number.isSafeInteger(maxBatchSize) || maxBatchSize < 1) {
    problems.add("maxBatchSize", "must be a whole number of at least 1");
  }
  if (maxWaitMs !== undefined && !(typeof maxWaitMs === "number" && maxWaitMs >= 0)) {
    problems.add("maxWaitMs", "must be a number of milliseconds, 0 or more");
  }
  if (maxCost !== undefined && !(typeof maxCost === "number" && maxCost > 0)) {
    problems.add("maxCost", "must be a number greater than 0");
  }
}

function readFunctions(
  { handler, options }: Pick<BatchMethodDefinition<never, unknown, never>, "handler" | "options">,
  problems: ProblemList,
): void {
  const { costOf, bucketBy } = options;
  for (const [path, given] of Object.entries({ handler, costOf, bucketBy })) {
    if (typeof given !== "function" && (path === "handler" || given !== undefined)) {
      problems.add(path, "must be a function");
    }
  }
}
