import { errorOf } from "../batching/batch-run.ts";
import { Batcher, type BatcherDeps } from "../batching/batcher.ts";
import type { BatchReport } from "../core/assignment.ts";
import type { BatchWork } from "../core/construction.ts";
import { Cancellation } from "../core/cancellation.ts";
import { paddedLength, sizesOf, type Padding, type Sizes } from "./padding.ts";
import type { Feeds, ModelSession, RunCaller } from "./session.ts";
import { rowsOf, split, stack, stackKey } from "./stack.ts";
import { checkFeeds, copyFeeds, type CheckedFeeds } from "./tensor.ts";

/** How a model is run. */
export type RunnerOptions = {
  /** For errors. */
  readonly name: string;
  /** Most runs stacked into one; 0: none. */
  readonly maxBatchSize: number;
  readonly allowNaN: boolean;
  /** undefined: only tensors of one shape are stacked. */
  readonly padding?: Padding | undefined;
};

/** One run that may be stacked with others. */
type StackItem = {
  readonly feeds: CheckedFeeds;
  readonly rows: number;
  readonly sizes: Sizes;
  /** Items with different keys never run together. */
  readonly key: string;
  /** Items are chosen so that little is padded to the longest of them; undefined where nothing is. */
  readonly length: number | undefined;
};

const UNPADDED: Sizes = new Map();

/** Runs of one session: checked, and stacked along dimension 0 where that is asked for. */
export class Runner {
  readonly session: ModelSession;
  readonly #options: RunnerOptions;
  readonly #batcher: Batcher<StackItem, Feeds, RunCaller> | undefined;
  #aloneCount = 0;

  constructor(deps: BatcherDeps, session: ModelSession, options: RunnerOptions) {
    this.session = session;
    this.#options = options;
    if (options.maxBatchSize > 0) {
      this.#batcher = new Batcher(deps, {
        maxBatchSize: options.maxBatchSize,
        name: () => options.name,
        traitsOf: ({ key, length }) => ({ key, length }),
        isPure: true,
        // The session's thread takes a second run while one is under way.
        hasQueue: true,
        run: (items, callers) => this.#runStacked(items, callers),
      });
    }
  }

  /** How its batches fare, under the name of `method`; undefined where runs are not stacked. */
  batchReport(method: string): BatchReport | undefined {
    return this.#batcher?.report(method);
  }

  /** How much its batches have done; undefined where runs are not stacked. */
  get batchWork(): BatchWork | undefined {
    return this.#batcher?.work;
  }

  /** Runs are under way or wait, those that nobody waits for any more included. */
  get isBusy(): boolean {
    return this.session.isBusy || (this.#batcher?.work.waitingCount ?? 0) > 0;
  }

  /** @throws {InvalidRequestError} when the feeds do not fit; they never reach the runtime then. */
  async run(feeds: Feeds, caller: RunCaller): Promise<Feeds> {
    const checked = checkFeeds(feeds, this.session.inputs, { allowNaN: this.#options.allowNaN });
    if (this.#batcher === undefined) return await this.session.run(copyFeeds(checked), caller);
    return await this.#batcher.submit(this.#toItem(checked), caller);
  }

  #toItem(feeds: CheckedFeeds): StackItem {
    const { padding } = this.#options;
    const sizes = padding === undefined ? undefined : sizesOf(feeds, padding);
    const rows = rowsOf(feeds);
    const key = rows === undefined ? `alone ${this.#aloneCount++}` : stackKey(feeds, padding);
    const length = sizes === undefined ? undefined : paddedLength(sizes);
    return { feeds, rows: rows ?? 0, sizes: sizes ?? UNPADDED, key, length };
  }

  /** Items of one key as one run. Throws what the session throws. */
  async #runStacked(items: readonly StackItem[], callers: readonly RunCaller[]): Promise<readonly (Feeds | Error)[]> {
    const [only] = items;
    const [first = EVERYBODY] = callers;
    if (items.length === 1 && only !== undefined) return [await this.session.run(copyFeeds(only.feeds), first)];
    const { padding } = this.#options;
    const feeds = items.map((item) => item.feeds);
    // Nobody in particular waits for a stacked run: each caller's own end of interest is the batcher's business.
    const outputs = await this.session.run(stack(feeds, padding), EVERYBODY);
    try {
      return split(outputs, items, padding);
    } catch (error) {
      // No item is to blame, so that there is nothing to be found by running them again.
      return items.map(() => errorOf(error));
    }
  }
}

const EVERYBODY: RunCaller = {
  deadlineAt: Number.POSITIVE_INFINITY,
  cancellation: new Cancellation(),
};
