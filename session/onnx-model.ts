import { access, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { batchMetrics } from "../batching/batch-metrics.ts";
import type { BatcherDeps } from "../batching/batcher.ts";
import { systemClock, systemDefer, waitingClock } from "../core/clock.ts";
import { currentSetting, registerBatch, registerModel, type ConstructionSetting } from "../core/construction.ts";
import { InvalidSpecError } from "../core/error.ts";
import { currentRequest } from "../core/request-scope.ts";
import { captureLocation, describeLocation, type SourceLocation } from "../core/user-frame.ts";
import { loadOnnxSession } from "./onnx-session.ts";
import { defaultThreads, maySpin, optionProblems, type OnnxModelOptions } from "./onnx-options.ts";
import { createPadding } from "./padding.ts";
import { outputToRows, rowsToFeeds } from "./rows.ts";
import { Runner } from "./runner.ts";
import { SelfTest } from "./self-test.ts";
import { ModelLoadError, type Feeds, type ModelSession, type RunCaller, type TensorInfo } from "./session.ts";
import { arrayOf, type NumericData } from "./tensor.ts";

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
  readonly #selfTest: SelfTest;
  #fileBytes = 0;

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
    this.#deps = { clock: this.#setting?.clock ?? waitingClock, defer: systemDefer, metrics: undefined };
    this.#selfTest = new SelfTest({
      clock: () => this.#deps.clock,
      name: `model "${this.#path}"`,
      // Closed: user code let it go, and would get it back by a test.
      isIdle: () => this.#runner !== undefined && !this.#runner.isBusy,
    });
    this.#register();
  }

  /** Execution provider in use, for instance `cpu`; empty until the model is loaded. */
  get provider(): string {
    return this.#runner?.session.provider ?? "";
  }

  /** Bytes of the model's file, without data that it keeps in other files; 0 until it is loaded. */
  get fileBytes(): number {
    return this.#fileBytes;
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
    return await this.#run(await this.#load(), feeds);
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
    return outputToRows(await this.#run(runner, rowsToFeeds(rows, session)), session) as T[];
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
      selfTest: (timeoutMs) => this.#selfTest.run(timeoutMs),
      close: () => this.close(),
    });
    const { batch } = this.#options;
    if (batch === undefined) return;
    registerBatch({
      call: undefined,
      maxBatchSize: batch.maxBatchSize,
      isChoosing: batch.pad !== undefined,
      report: () => this.#runner?.batchReport(this.#path),
      work: () => this.#runner?.batchWork,
      attach: ({ clock, defer, metrics, deployment }) => {
        this.#deps = { clock, defer, metrics: batchMetrics(metrics, deployment, this.#path) };
      },
    });
  }

  async #run(runner: Runner, feeds: Feeds): Promise<Feeds> {
    const outputs = await runner.run(feeds, caller());
    this.#selfTest.passed();
    return outputs;
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
    this.#fileBytes = (await stat(path)).size;
    const { clock = systemClock, log, cpus = 1, packageDirs = [dirname(path), process.cwd()] } = this.#setting ?? {};
    const { providers = defaultProviders(), strict = false, batch, allowNaN = false } = this.#options;
    const { threads = defaultThreads(cpus) } = this.#options;
    const options = { clock, name, path, providers, isStrict: strict, threads, isSpinning: maySpin(threads) };
    const { session, skipped } = await loadOnnxSession(options, packageDirs);
    for (const { provider, cause } of skipped) {
      const message = `${name} runs on ${session.provider}: ${provider} cannot be used`;
      if (log === undefined) process.emitWarning(`${message} (${cause})`);
      else log.warn({ provider, cause }, message);
    }
    const maxBatchSize = batch?.maxBatchSize ?? 0;
    try {
      if (maxBatchSize > 1) assertStackable(name, session);
      const padding =
        batch?.pad === undefined
          ? undefined
          : createPadding({ name, pad: batch.pad, inputs: session.inputs, outputs: session.outputs });
      this.#runner = new Runner(this.#deps, session, { name, maxBatchSize, allowNaN, padding });
      return this.#runner;
    } catch (error) {
      await session.close();
      throw error;
    }
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
    const { clock } = this.#deps;
    const run = async (feeds: Feeds): Promise<void> => {
      const beganAt = clock.now();
      await runner.run(feeds, caller());
      const test = async (): Promise<void> => void (await (await this.#load()).run(feeds, caller()));
      this.#selfTest.use(test, clock.now() - beganAt);
    };
    if (warmup !== undefined) {
      await run(warmup);
      return;
    }
    try {
      await run(smallestFeeds(runner.session.inputs));
    } catch (err) {
      // Zeros need not make sense to every model; warming up is a favour, not a test.
      this.#setting?.log?.debug({ err }, `${this.#path} could not be warmed up with zeros`);
    }
  }
}

function assertStackable(name: string, { inputs, outputs }: ModelSession): void {
  const fixed = [...inputs, ...outputs].find((info) => typeof info.dims[0] !== "string");
  if (fixed === undefined) return;
  throw new ModelLoadError(
    `${name} cannot be batched: "${fixed.name}" does not leave dimension 0 open (${fixed.dims.join(", ")}); export ` +
      "the model with a dynamic batch size, or leave out the batch option",
    true,
  );
}

function caller(): RunCaller {
  const { context, cancellation, priority } = currentRequest();
  return { deadlineAt: context.deadlineAt, cancellation, priority };
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
