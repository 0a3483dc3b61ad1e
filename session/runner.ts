import { Batcher, type BatcherDeps } from "../batching/batcher.ts";
import { Cancellation } from "../core/cancellation.ts";
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
};

/** Runs of one session: checked, and stacked along dimension 0 where that is asked for. */
export class Runner {
  readonly session: ModelSession;
  readonly #options: RunnerOptions;
  readonly #batcher: Batcher<CheckedFeeds, Feeds, RunCaller> | undefined;

  constructor(deps: BatcherDeps, session: ModelSession, options: RunnerOptions) {
    this.session = session;
    this.#options = options;
    if (options.maxBatchSize > 0) {
      this.#batcher = new Batcher(deps, {
        maxBatchSize: options.maxBatchSize,
        name: () => options.name,
        run: (items, callers) => this.#runStacked(items, callers),
      });
    }
  }

  /** @throws {InvalidRequestError} when the feeds do not fit; they never reach the runtime then. */
  async run(feeds: Feeds, caller: RunCaller): Promise<Feeds> {
    const checked = checkFeeds(feeds, this.session.inputs, { allowNaN: this.#options.allowNaN });
    if (this.#batcher === undefined) return await this.session.run(copyFeeds(checked), caller);
    return await this.#batcher.submit(checked, caller);
  }

  /** Items whose shapes differ beyond dimension 0 run apart, and a run that fails takes only its own items with it. */
  async #runStacked(items: readonly CheckedFeeds[], callers: readonly RunCaller[]): Promise<(Feeds | Error)[]> {
    const groups = new Map<string, number[]>();
    for (const [at, item] of items.entries()) {
      const key = rowsOf(item) === undefined ? `alone ${at}` : stackKey(item);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [at]);
      else group.push(at);
    }
    const results: (Feeds | Error)[] = Array.from({ length: items.length });
    await Promise.all(
      [...groups.values()].map(async (indices) => {
        const group = indices.map((at) => items[at] as CheckedFeeds);
        const outcomes = await this.#runGroup(group, callers[indices[0] ?? 0] as RunCaller).catch(asError);
        for (const [place, at] of indices.entries()) {
          results[at] = outcomes instanceof Error ? outcomes : (outcomes[place] as Feeds);
        }
      }),
    );
    return results;
  }

  async #runGroup(group: readonly CheckedFeeds[], first: RunCaller): Promise<Feeds[]> {
    const [only] = group;
    if (group.length === 1 && only !== undefined) return [await this.session.run(copyFeeds(only), first)];
    const rows = group.map((feeds) => rowsOf(feeds) ?? 0);
    // Nobody in particular waits for a stacked run: each caller's own end of interest is the batcher's business.
    return split(await this.session.run(stack(group), EVERYBODY), rows);
  }
}

const EVERYBODY: RunCaller = {
  deadlineAt: Number.POSITIVE_INFINITY,
  cancellation: new Cancellation(),
};

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
