import { access } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { batchMetrics, type BatcherDeps } from "../batching/batcher.ts";
import { systemClock, systemDefer } from "../core/clock.ts";
import { currentSetting, registerBatch, registerModel, type ConstructionSetting } from "../core/construction.ts";
import { InvalidSpecError, type Problem } from "../core/error.ts";
import { currentRequest } from "../core/request-scope.ts";
import { captureLocation, describeLocation, type SourceLocation } from "../core/user-frame.ts";
import { loadOnnxSession } from "./onnx-session.ts";
import { outputToRows, rowsToFeeds } from "./rows.ts";
import { Runner } from "./runner.ts";
import { ModelLoadError, type Feeds, type RunCaller, type TensorInfo } from "./session.ts";
import { arrayOf, type NumericData } from "./tensor.ts";

/** Options of {@link OnnxModel}. */
export type OnnxModelOptions = {
  /**
   * Execution providers in order of preference, by onnxruntime's names. Default: `["cuda", "cpu"]` where the replica was
   * given a GPU, else `["cpu"]`. One that cannot be used is logged with its cause, and the next is tried.
   */
  readonly providers?: readonly string[];
  /** Fails the start when the first provider cannot be used. Default false: the next one is slower, but serves. */
  readonly strict?: boolean;
  /**
   * What to run once before the replica is ready, so that the first request does not pay for memory that is made on
   * first use. Default: zeros of the smallest shape that fits, where a failure is of no consequence; false: nothing.
   */
  readonly warmup?: Feeds | false;
  /**
   * Stacks runs that are asked for at the same time along dimension 0, at most `maxBatchSize` of them, and takes their
   * outputs apart again. Default: every run on its own. The model's inputs and outputs must leave dimension 0 open.
   */
  readonly batch?: { readonly maxBatchSize: number };
  /** Lets NaN through in floating-point inputs. Default false: it is a mistake more often than a missing value. */
  readonly allowNaN?: boolean;
};

/**
 * An ONNX model. Made in a constructor or a field, private or not, it is loaded before its replica is ready; elsewhere,
 * for instance in a unit test, when it is first used. It runs in a thread of its own, so that the replica goes on
 * answering while it computes. Relative paths start from the folder of `app.ts`.
 *
 * @example
 * ```ts
 * import { deployment } from "thornback";
 * import { OnnxModel } from "thornback/onnx";
 *
 * class Classifier {
 *   #model = new OnnxModel("./digits.onnx", { batch: { maxBatchSize: 64 } });
 *
 *   async predict(input: { pixels: number[] }) {
 *     const [scores] = await this.#model.predict([input.pixels]);
 *     return { scores: Array.from(scores ?? []) };
 *   }
 * }
 *
 * export default deployment(Classifier).bind();
 * ```
 */
export class OnnxModel {
  readonly #path: string;
  readonly #options: OnnxModelOptions;
  readonly #setting: ConstructionSetting | undefined;
  readonly #location: () => SourceLocation | undefined;
  #deps: BatcherDeps;
  #loading: Promise<Runner> | undefined;
  #runner: Runner | undefined;

  /** @throws {InvalidSpecError} when the path or an option cannot be used, with every problem. */
  constructor(path: string | URL, options: OnnxModelOptions = {}) {
    const problems = optionProblems(path, options);
    if (problems.length > 0) {
      const text = problems.map((problem) => `${problem.path} ${problem.message}`).join("; ");
      throw new InvalidSpecError(`new OnnxModel(): ${text}`, { details: { problems } });
    }
    this.#path = path instanceof URL ? fileURLToPath(path) : path.startsWith("file:") ? fileURLToPath(path) : path;
    this.#options = options;
    this.#setting = currentSetting();
    this.#location = captureLocation(new.target);
    this.#deps = { clock: this.#setting?.clock ?? systemClock, defer: systemDefer, metrics: undefined };
    this.#register();
  }

  /** Execution provider in use, for instance `cpu`; empty until the model is loaded. */
  get provider(): string {
    return this.#runner?.session.provider ?? "";
  }

  /** The model's inputs; empty until it is loaded. */
  get inputs(): readonly TensorInfo[] {
    return this.#runner?.session.inputs ?? [];
  }

  /** The model's outputs; empty until it is loaded. */
  get outputs(): readonly TensorInfo[] {
    return this.#runner?.session.outputs ?? [];
  }

  /**
   * Loads the model, once; loading it before it is used is optional.
   *
   * @throws {ModelError} when the file is missing, is not a model, or cannot be run here.
   */
  async load(): Promise<void> {
    await this.#load();
  }

  /**
   * Runs the model on named tensors and resolves with its named outputs. The tensors may be used again afterwards.
   *
   * @throws {InvalidRequestError} when a tensor does not fit the model, with every problem.
   * @throws {ModelError} when the model cannot be loaded or fails.
   */
  async run(feeds: Feeds): Promise<Feeds> {
    const runner = await this.#load();
    return await runner.run(feeds, caller());
  }

  /**
   * Runs a model that has one input and one output on rows of numbers, and resolves with one typed array per row, of
   * the output's own type. Rows of images and the like are given flat.
   *
   * `T` says which array that is to the compiler: `predict<BigInt64Array>(rows)` for labels in int64. It converts nothing.
   *
   * @throws {InvalidRequestError} when a row does not fit the model, with every problem.
   * @throws {ModelError} when the model has several inputs or outputs, cannot be loaded, or fails.
   */
  async predict<T extends NumericData = Float32Array>(rows: readonly ArrayLike<number>[]): Promise<T[]> {
    const runner = await this.#load();
    const { session } = runner;
    return outputToRows(await runner.run(rowsToFeeds(rows, session), caller()), session) as T[];
  }

  /** Lets the model go, after the runs that have begun. It is loaded again if it is used again. Never rejects. */
  async close(): Promise<void> {
    const loading = this.#loading;
    this.#loading = undefined;
    this.#runner = undefined;
    const runner = await loading?.catch(() => undefined);
    await runner?.session.close();
  }

  #register(): void {
    registerModel({
      name: this.#path,
      owner: this,
      provider: () => this.provider,
      load: () => this.load(),
      warmup: () => this.#warmup(),
      close: () => this.close(),
    });
    const { batch } = this.#options;
    if (batch === undefined) return;
    registerBatch({
      call: undefined,
      maxBatchSize: batch.maxBatchSize,
      attach: ({ clock, defer, metrics, deployment }) => {
        this.#deps = { clock, defer, metrics: batchMetrics(metrics, deployment, this.#path) };
      },
    });
  }

  #load(): Promise<Runner> {
    if (this.#runner !== undefined && !this.#runner.session.isOpen) this.#loading = undefined;
    this.#loading ??= this.#open().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #open(): Promise<Runner> {
    const at = describeLocation(this.#location(), this.#setting?.applicationDir);
    const name = `model "${this.#path}"${at === "" ? "" : ` (${at})`}`;
    const path = await this.#find(name);
    const { clock = systemClock, log, cpus = 1, packageDirs = [dirname(path), process.cwd()] } = this.#setting ?? {};
    const { providers = defaultProviders(), strict = false, batch, allowNaN = false } = this.#options;
    const options = { clock, name, path, providers, isStrict: strict, threads: Math.max(1, Math.floor(cpus)) };
    const { session, skipped } = await loadOnnxSession(options, packageDirs);
    for (const { provider, cause } of skipped) {
      const message = `${name} runs on ${session.provider}: ${provider} cannot be used`;
      if (log === undefined) process.emitWarning(`${message} (${cause})`);
      else log.warn({ provider, cause }, message);
    }
    const maxBatchSize = batch?.maxBatchSize ?? 0;
    const fixed = [...session.inputs, ...session.outputs].find((info) => typeof info.dims[0] !== "string");
    if (maxBatchSize > 1 && fixed !== undefined) {
      await session.close();
      throw new ModelLoadError(
        `${name} cannot be batched: "${fixed.name}" does not leave dimension 0 open (${fixed.dims.join(", ")}); export ` +
          "the model with a dynamic batch size, or leave out the batch option",
        true,
      );
    }
    this.#runner = new Runner(this.#deps, session, { name, maxBatchSize, allowNaN });
    return this.#runner;
  }

  /** In a replica: beside app.ts. Elsewhere: beside the file that made the model, else where the process was started. */
  async #find(name: string): Promise<string> {
    const folders = this.#folders();
    const candidates = isAbsolute(this.#path) ? [this.#path] : folders.map((folder) => resolve(folder, this.#path));
    for (const candidate of new Set(candidates)) {
      const isThere = await access(candidate).then(
        () => true,
        () => false,
      );
      if (isThere) return candidate;
    }
    const looked = [...new Set(candidates)].join(" nor ");
    throw new ModelLoadError(
      `${name} was not found at ${looked}; put the file there, or name it in application({ assets })`,
      true,
    );
  }

  #folders(): string[] {
    if (this.#setting !== undefined) return [this.#setting.applicationDir];
    const location = this.#location();
    return location === undefined ? [process.cwd()] : [dirname(location.path), process.cwd()];
  }

  async #warmup(): Promise<void> {
    const { warmup } = this.#options;
    if (warmup === false) return;
    const runner = await this.#load();
    if (warmup !== undefined) {
      await runner.run(warmup, caller());
      return;
    }
    try {
      await runner.run(smallestFeeds(runner.session.inputs), caller());
    } catch (err) {
      // Zeros need not make sense to every model; warming up is a favour, not a test.
      this.#setting?.log?.debug({ err }, `${this.#path} could not be warmed up with zeros`);
    }
  }
}

function caller(): RunCaller {
  const { context, cancellation } = currentRequest();
  return { deadlineAt: context.deadlineAt, cancellation };
}

/** The replica's own grant, as CUDA itself reads it. */
function defaultProviders(): readonly string[] {
  const visible = process.env["CUDA_VISIBLE_DEVICES"] ?? "";
  return visible === "" || visible === "-1" ? ["cpu"] : ["cuda", "cpu"];
}

/** Zeros, with 1 wherever the model leaves a size open. */
function smallestFeeds(inputs: readonly TensorInfo[]): Feeds {
  return Object.fromEntries(
    inputs.map(({ name, type, dims }) => {
      const sizes = dims.map((dim) => (typeof dim === "number" ? dim : 1));
      const length = sizes.reduce((product, size) => product * size, 1);
      const data = type === "string" ? Array.from({ length }, () => "") : new (arrayOf(type))(length);
      return [name, { data, dims: sizes, type }];
    }),
  );
}

function optionProblems(path: unknown, options: OnnxModelOptions): Problem[] {
  const problems: Problem[] = [];
  if (!(path instanceof URL) && (typeof path !== "string" || path === "")) {
    problems.push({ path: "path", message: "must be a file's path or URL" });
  }
  const { batch, providers } = options;
  if (batch !== undefined && (!Number.isSafeInteger(batch.maxBatchSize) || batch.maxBatchSize < 1)) {
    problems.push({ path: "batch.maxBatchSize", message: "must be a whole number of at least 1" });
  }
  if (providers !== undefined && providers.length === 0) {
    problems.push({ path: "providers", message: "must name at least one" });
  }
  return problems;
}
