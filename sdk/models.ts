import { whenAllCancelled } from "../core/cancellation.ts";
import { systemClock } from "../core/clock.ts";
import { currentSetting, registerModelCache } from "../core/construction.ts";
import { InvalidRequestError, ModelError } from "../core/error.ts";
import { ProblemList } from "../core/problem-list.ts";
import { isModelId, MODEL_ID_HEADER, MODEL_ID_RULE } from "../core/model-id.ts";
import { currentScope } from "../core/request-scope.ts";
import { modelCacheMetrics } from "./model-cache-metrics.ts";
import { ModelCache, type HeldModel } from "./model-cache.ts";

/** Options of {@link models}. */
export type ModelsOptions<M> = {
  /**
   * Makes the model of an id; what it throws is the error of all who wait for it, and is not remembered. Where the model
   * has a `load` of its own, as an `OnnxModel` has, that is awaited too. `signal` aborts when loading has taken two minutes
   * or the replica ends. Ids hold no `..` and begin with a letter or a digit, but whether there is such a model is for
   * `load` to say.
   */
  readonly load: (id: string, context: { readonly signal: AbortSignal }) => Promise<M> | M;
  /**
   * Most models that are loaded or loading at a time. No default: it depends on the models and the memory. With too few,
   * models are loaded again and again: `thornback_model_evictions_total` tells.
   */
  readonly maxModels: number;
  /**
   * Most bytes of the models that are loaded, by `sizeOf`. Default: as many as `maxModels` come to. What a model takes shows
   * when it is loaded; a model that is larger alone is served all the same.
   */
  readonly maxBytes?: number;
  /** Bytes of a loaded model. Default: its `fileBytes`, which an `OnnxModel` has: what it takes in memory is somewhat more. */
  readonly sizeOf?: (model: M) => number;
};

/** Several models by id; what {@link models} gives. */
export interface Models<M> {
  /**
   * Runs `code` with the model that the current request asks for (`x-thornback-model-id`, or `handle.with({ modelId })`),
   * loaded first where it is not. The model is in use until what `code` returns has settled; only then may it be closed.
   *
   * @throws {InvalidRequestError} when the request names no model, or something that cannot be an id.
   * @throws {ModelError} when the model was not loaded in time.
   */
  use<R>(code: (model: M, id: string) => R): Promise<Awaited<R>>;
  /** Runs `code` with the model of this id. A use within another needs room for both. */
  use<R>(id: string, code: (model: M, id: string) => R): Promise<Awaited<R>>;
  /** As `use`, for code that yields: the model is in use until the last item is out, or nobody reads on. */
  stream<T>(code: (model: M, id: string) => AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, void, undefined>;
  /** As `use`, for code that yields, with the model of this id. */
  stream<T>(
    id: string,
    code: (model: M, id: string) => AsyncIterable<T> | Iterable<T>,
  ): AsyncGenerator<T, void, undefined>;
  /** Of the models that are loaded or loading; the one used last stands last. */
  readonly ids: readonly string[];
  /** Closes every model and ends every wait. A replica does it after `teardown`. Never rejects. */
  close(): Promise<void>;
}

/**
 * Holds several models in one replica, loaded when requests ask for them: one load at a time for each id, the one used
 * longest ago closed where room is needed, never one that is in use. Requests go to a replica that has their model, and
 * where that is not enough to one more. Works the same without a replica, for instance in a unit test.
 *
 * @throws {InvalidSpecError} when an option cannot be used, with every problem.
 * @example
 * ```ts
 * import { deployment, models } from "thornback";
 * import { OnnxModel } from "thornback/onnx";
 *
 * class Classifier {
 *   #models = models({ load: (id) => new OnnxModel(`./models/${id}.onnx`), maxModels: 5 });
 *
 *   async predict(input: { pixels: number[] }) {
 *     const [scores] = await this.#models.use((model) => model.predict([input.pixels]));
 *     return { scores: Array.from(scores ?? []) };
 *   }
 * }
 *
 * export default deployment(Classifier).bind();
 * ```
 */
export function models<M>(options: ModelsOptions<M>): Models<M> {
  checkOptions(options);
  const { load, maxModels, maxBytes = Infinity, sizeOf = fileBytesOf } = options;
  const log = currentSetting()?.log;
  const warn = (text: string, err?: unknown): void =>
    log === undefined ? process.emitWarning(text) : log.warn({ err }, text);
  const deps = { clock: systemClock, warn, metrics: undefined, onChange: () => {} };
  const checkedSize = (model: M): number => checkBytes(sizeOf(model));
  const cache = new ModelCache<M>(deps, { load, maxModels, maxBytes, sizeOf: checkedSize });
  registerModelCache({
    get modelIds() {
      return cache.modelIds;
    },
    attach: ({ clock, log, metrics, deployment, onChange }) =>
      cache.attach({
        clock,
        warn: (text, err) => log.warn({ err }, text),
        metrics: modelCacheMetrics(metrics, deployment),
        onChange,
      }),
    close: () => cache.close(),
  });
  return new CachedModels(cache);
}

type Code<M, R> = (model: M, id: string) => R;

class CachedModels<M> implements Models<M> {
  readonly #cache: ModelCache<M>;

  constructor(cache: ModelCache<M>) {
    this.#cache = cache;
  }

  get ids(): readonly string[] {
    return this.#cache.modelIds;
  }

  async use<R>(idOrCode: string | Code<M, R>, given?: Code<M, R>): Promise<Awaited<R>> {
    const { id, code } = wanted(idOrCode, given);
    const held = await this.#hold(id);
    try {
      return await code(held.model, id);
    } finally {
      this.#cache.release(held);
    }
  }

  async *stream<T>(
    idOrCode: string | Code<M, AsyncIterable<T> | Iterable<T>>,
    given?: Code<M, AsyncIterable<T> | Iterable<T>>,
  ): AsyncGenerator<T, void, undefined> {
    const { id, code } = wanted(idOrCode, given);
    const held = await this.#hold(id);
    try {
      yield* code(held.model, id);
    } finally {
      this.#cache.release(held);
    }
  }

  close(): Promise<void> {
    return this.#cache.close();
  }

  /** The wait for it ends when nobody waits any more. */
  async #hold(id: string): Promise<HeldModel<M>> {
    const scope = currentScope();
    if (scope?.kind === "request") return await this.#cache.hold(id, scope.request.cancellation);
    const { all, stop } = whenAllCancelled(scope?.requests.map(({ cancellation }) => cancellation) ?? []);
    try {
      return await this.#cache.hold(id, all);
    } finally {
      // A WebSocket's request may live through any number of batches.
      stop();
    }
  }
}

function wanted<M, R>(idOrCode: string | Code<M, R>, given: Code<M, R> | undefined): { id: string; code: Code<M, R> } {
  const [id, code] = typeof idOrCode === "string" ? [idOrCode, given] : [currentModelId(), idOrCode];
  if (typeof code !== "function") throw new TypeError("models().use() needs a function to give the model to");
  if (!isModelId(id)) throw new InvalidRequestError(`the model id is not ${MODEL_ID_RULE}`);
  return { id, code };
}

/** The id that the request asks for; in a batch handler, the one that all its requests ask for. */
function currentModelId(): string {
  const scope = currentScope();
  const requests = scope === undefined ? [] : scope.kind === "request" ? [scope.request] : scope.requests;
  const ids = new Set(requests.map(({ context }) => context.modelId));
  if (ids.size > 1) {
    throw new InvalidRequestError("a batch holds requests for several models: name the one to use, use(id, …)");
  }
  const [id = ""] = ids;
  if (id !== "") return id;
  throw new InvalidRequestError(
    `the request names no model: send the header ${MODEL_ID_HEADER}, call with handle.with({ modelId }), or name it, use(id, …)`,
  );
}

function fileBytesOf(model: unknown): number {
  const bytes = typeof model === "object" && model !== null ? (model as { fileBytes?: unknown }).fileBytes : undefined;
  if (typeof bytes === "number") return bytes;
  throw new ModelError("models() cannot tell how large a model is: give it sizeOf beside maxBytes");
}

function checkBytes(bytes: number): number {
  if (Number.isFinite(bytes) && bytes >= 0) return bytes;
  throw new ModelError("sizeOf of models() did not return a number of bytes, 0 or more");
}

type GivenOptions = {
  readonly load: unknown;
  readonly maxModels: number;
  readonly maxBytes?: number | undefined;
  readonly sizeOf?: unknown;
};

function checkOptions({ load, maxModels, maxBytes, sizeOf }: GivenOptions): void {
  const problems = new ProblemList();
  if (typeof load !== "function") problems.add("load", "must be a function");
  if (!Number.isSafeInteger(maxModels) || maxModels < 1)
    problems.add("maxModels", "must be a whole number of at least 1");
  if (maxBytes !== undefined && !(typeof maxBytes === "number" && maxBytes > 0))
    problems.add("maxBytes", "must be a number of bytes above 0");
  if (sizeOf !== undefined && typeof sizeOf !== "function") problems.add("sizeOf", "must be a function");
  problems.throwIfAny("models()");
}
