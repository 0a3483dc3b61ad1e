import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { BusyTime } from "../core/busy-time.ts";
import type { Clock } from "../core/clock.ts";
import type { AbandonedRun } from "../core/construction.ts";
import { DeadlineExceededError, ModelError, QueueFullError } from "../core/error.ts";
import { MOST_SESSION_WAITING_RUNS } from "../core/limits.ts";
import type { LoadResult, SkippedProvider, ThreadReply, ThreadRequest, WireFeeds, WireTensor } from "./onnx-message.ts";
import {
  ModelLoadError,
  type Feeds,
  type ModelSession,
  type RunCaller,
  type Tensor,
  type TensorInfo,
} from "./session.ts";
import { arrayOf } from "./tensor.ts";

/**
 * A model session on onnxruntime-node, in a thread of its own (`onnx-thread.ts`).
 *
 *   run ──▶ waiting (here, cancellable) ──▶ begun (in the thread, at most RUNS_BEGUN) ──▶ settled
 *
 * A thread is never ended from outside: with a run in flight that aborts the whole process (onnxruntime throws across
 * the thread's end). It closes itself when told to, and a model that hangs is ended by ending its process. Threads do
 * not keep a process alive unless they owe an answer.
 */

/** Runs handed to the thread at once: a second one, so that the thread does not idle while an answer travels. */
const RUNS_BEGUN = 2;

/** What a session is loaded from and runs on. */
export type OnnxLoadOptions = {
  /** The clock that callers' deadlines are told in. */
  readonly clock: Clock;
  /** How the user named the model, for errors: `model "./digits.onnx" (app.ts:8:14)`. */
  readonly name: string;
  readonly path: string;
  readonly providers: readonly string[];
  readonly isStrict: boolean;
  readonly threads: number;
  /** Threads that wait for one another do so by spinning. */
  readonly isSpinning: boolean;
};

type Pending = { readonly resolve: (reply: ThreadReply) => void; readonly reject: (error: Error) => void };

type Order = ThreadRequest extends infer R ? (R extends ThreadRequest ? Omit<R, "id"> : never) : never;

/** Answers that threads of this process owe. */
let owedCount = 0;
const busyTime = new BusyTime();
/** Runs that are under way for nobody, by a number of their own. */
const abandoned = new Map<number, { readonly deadlineAt: number; readonly session: OnnxSession }>();
let lastAbandoned = 0;

/** Milliseconds that at least one thread of this process has been at work, all together. */
export function threadBusyMs(): number {
  return busyTime.totalMs(performance.now());
}

/** Runs of models in this process that go on although their callers are gone. */
export function abandonedModelRuns(): readonly (AbandonedRun & { readonly name: string })[] {
  return [...abandoned].map(([id, { deadlineAt, session }]) => {
    const { name, longestMs } = session;
    return { id, name, deadlineAt, longestMs, giveUp: (error) => session.giveUp(error) };
  });
}

function owe(change: number): void {
  owedCount += change;
  if (owedCount > 0) busyTime.begin(performance.now());
  else busyTime.end(performance.now());
}

/** Whether a thread is at work. While one is, `process.exit` would abort the process with a core dump. */
export function isThreadBusy(): boolean {
  return owedCount > 0;
}

/** The thread's end that lives here: requests out, replies in, and the one who hears of its end. */
class OnnxThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #gone = Promise.withResolvers<void>();
  #nextId = 1;
  #ended: Error | undefined;

  constructor() {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    // From 1.30 on onnxruntime reports its use to its maker, and keeps files in the home and temporary folders, unless
    // this is set in the process's own environment (not a thread's copy) when the library is loaded. "0" allows it.
    process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
    this.#worker = new Worker(new URL(`./onnx-thread.${extension}`, import.meta.url));
    this.#worker.unref();
    this.#worker.on("message", (reply: ThreadReply) => {
      this.#take(reply.id)?.resolve(reply);
    });
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", (code) => {
      this.#end(new Error(`the model's thread ended with code ${code}`));
      this.#gone.resolve();
    });
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  ask(order: Order, transfer: readonly ArrayBuffer[] = []): Promise<ThreadReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) this.#worker.ref();
      this.#pending.set(id, { resolve, reject });
      owe(1);
      this.#worker.postMessage({ ...order, id } satisfies ThreadRequest, transfer);
    });
  }

  /** Resolves once the thread has ended; keeps the process alive until then. */
  gone(): Promise<void> {
    if (this.#ended === undefined) this.#worker.ref();
    return this.#gone.promise;
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (this.#pending.delete(id)) owe(-1);
    if (this.#pending.size === 0) this.#worker.unref();
    return pending;
  }

  #end(error: Error): void {
    this.#ended ??= error;
    const all = [...this.#pending.values()];
    owe(-all.length);
    this.#pending.clear();
    for (const pending of all) pending.reject(error);
  }
}

let warmThread: OnnxThread | undefined;

/**
 * Starts a thread with onnxruntime loaded and run once, which the next session takes: with it a session is ready in
 * milliseconds rather than a tenth of a second. Resolves when it is warm, or cannot become so: then the session that
 * needs it will say why.
 */
export async function warmSessionThread(): Promise<void> {
  if (warmThread !== undefined) return;
  const thread = new OnnxThread();
  warmThread = thread;
  const isWarm = await thread.ask({ kind: "warm", resolveFrom: [process.cwd()] }).then(
    (reply) => reply.kind === "done",
    () => false,
  );
  if (isWarm || warmThread !== thread) return;
  // Node remembers in a thread which packages it has not found, so that one would not see onnxruntime installed later.
  warmThread = undefined;
  if (thread.isOpen) void closeThread(thread);
}

/** Threads that were told to close and have not ended yet, all of them together. */
let closing: Promise<unknown> = Promise.resolve();

/** Lets the warm thread go where no model will need it. Resolves when it, and whatever closed before, has ended. */
export async function closeWarmThread(): Promise<void> {
  const thread = warmThread;
  warmThread = undefined;
  if (thread !== undefined) void closeThread(thread);
  await closing;
}

function takeThread(): OnnxThread {
  const thread = warmThread;
  warmThread = undefined;
  return thread?.isOpen === true ? thread : new OnnxThread();
}

/**
 * Loads a model, on the first of its providers that can.
 *
 * @param resolveFrom folders from which onnxruntime-node is looked for, beside the runtime's own.
 * @throws {ModelLoadError} naming the model and the cause.
 */
export async function loadOnnxSession(
  options: OnnxLoadOptions,
  resolveFrom: readonly string[],
): Promise<{ session: ModelSession; skipped: readonly SkippedProvider[] }> {
  const { name, path, providers, isStrict, threads, isSpinning } = options;
  const thread = takeThread();
  const load: Order = { kind: "load", path, providers, isStrict, threads, isSpinning, resolveFrom };
  const reply = await thread.ask(load).catch((error: unknown) => {
    throw new ModelLoadError(`${name} could not be loaded: ${String(error)}`, false, { cause: error });
  });
  if (reply.kind === "loaded")
    return { session: new OnnxSession(options, thread, reply.result), skipped: reply.result.skipped };
  await closeThread(thread);
  if (reply.kind !== "failed") throw new ModelLoadError(`${name} could not be loaded: unexpected ${reply.kind}`, false);
  if (reply.failure === "missingRuntime") {
    const message =
      `${name} needs the npm package onnxruntime-node, which cannot be loaded (${reply.cause}); ` +
      "run: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node (without the variable on a machine with a GPU)";
    throw new ModelLoadError(message, true);
  }
  throw await loadError(options, reply.cause);
}

/** Resolves when the thread is gone, not when it says that it goes: until then `process.exit` may abort the process. */
function closeThread(thread: OnnxThread): Promise<void> {
  const closed = thread
    .ask({ kind: "close" })
    .catch(() => undefined)
    .then(() => thread.gone());
  closing = Promise.all([closing, closed]);
  return closed;
}

/** Says what is wrong with the file where that can be told. */
async function loadError({ name, path }: OnnxLoadOptions, causeWithPath: string): Promise<ModelLoadError> {
  // The path is that of an unpacked bundle, which says nothing to anybody.
  const cause = causeWithPath.replace(/^Load model from .*? failed: ?/, "");
  // Short of memory is the one failure that another attempt, or another node, may not meet.
  if (/memory|alloc/i.test(cause)) return new ModelLoadError(`${name} could not be loaded: ${cause}`, false);
  if (!/protobuf|no graph was found|modelproto/i.test(cause)) {
    return new ModelLoadError(`${name} could not be loaded: ${cause}`, true);
  }
  const content = await readFile(path).catch(() => Buffer.alloc(0));
  const hint = content.subarray(0, 19).toString("latin1").startsWith("version https://git")
    ? "it is a Git LFS pointer: run `git lfs pull` and deploy again"
    : "it is not an ONNX model, or it is damaged";
  return new ModelLoadError(`${name} could not be loaded: ${hint} (${cause})`, true);
}

type WaitingRun = {
  readonly feeds: Feeds;
  readonly caller: RunCaller;
  readonly resolve: (outputs: Feeds) => void;
  readonly reject: (error: Error) => void;
  unsubscribe: () => void;
};

class OnnxSession implements ModelSession {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly provider: string;
  readonly name: string;
  /** The longest that a run has taken from when it was handed to the thread. */
  longestMs = 0;
  readonly #clock: Clock;
  readonly #thread: OnnxThread;
  readonly #waiting = new Set<WaitingRun>();
  readonly #begun = new Set<WaitingRun>();
  #givenUp: Error | undefined;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor({ clock, name }: OnnxLoadOptions, thread: OnnxThread, loaded: LoadResult) {
    this.#clock = clock;
    this.name = name;
    this.#thread = thread;
    this.inputs = loaded.inputs;
    this.outputs = loaded.outputs;
    this.provider = loaded.provider;
  }

  get isOpen(): boolean {
    return this.#closing === undefined && this.#thread.isOpen;
  }

  get isBusy(): boolean {
    return this.#begun.size > 0 || this.#waiting.size > 0;
  }

  run(feeds: Feeds, caller: RunCaller): Promise<Feeds> {
    if (this.#givenUp !== undefined) return Promise.reject(this.#givenUp);
    if (this.#closing !== undefined) return Promise.reject(new ModelError(`${this.name} is closed`));
    if (this.#waiting.size >= MOST_SESSION_WAITING_RUNS) {
      return Promise.reject(new QueueFullError(`${this.name} has ${MOST_SESSION_WAITING_RUNS} runs waiting already`));
    }
    return new Promise((resolve, reject) => {
      const run: WaitingRun = { feeds, caller, resolve, reject, unsubscribe: () => {} };
      this.#waiting.add(run);
      run.unsubscribe = caller.cancellation.onCancel((reason) => {
        this.#waiting.delete(run);
        reject(reason);
      });
      this.#beginNext();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A run that is under way will never end, and none behind it, or after it, either. */
  giveUp(error: Error): void {
    this.#givenUp = error;
    for (const run of [...this.#begun, ...this.#waiting]) {
      run.unsubscribe();
      run.reject(error);
    }
    this.#waiting.clear();
  }

  async #close(): Promise<void> {
    for (const run of this.#waiting) {
      run.unsubscribe();
      run.reject(new ModelError(`${this.name} was closed before the run began`));
    }
    this.#waiting.clear();
    if (this.#begun.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await closeThread(this.#thread);
  }

  #beginNext(): void {
    for (const run of this.#waiting) {
      if (this.#begun.size >= RUNS_BEGUN) return;
      this.#waiting.delete(run);
      if (run.caller.deadlineAt <= this.#clock.now()) {
        run.unsubscribe();
        run.reject(new DeadlineExceededError(`the deadline passed while the request waited for ${this.name}`));
        continue;
      }
      void this.#begin(run);
    }
  }

  /** Never rejects: the outcome goes to the run's caller. */
  async #begin(run: WaitingRun): Promise<void> {
    this.#begun.add(run);
    const beganAt = this.#clock.now();
    let number = 0;
    const unsubscribe = run.caller.cancellation.onCancel(() => {
      const { deadlineAt } = run.caller;
      number = ++lastAbandoned;
      abandoned.set(number, { deadlineAt: Number.isFinite(deadlineAt) ? deadlineAt : 0, session: this });
    });
    try {
      const { feeds, transfer } = toWire(run.feeds);
      const reply = await this.#thread.ask({ kind: "run", feeds }, transfer);
      if (reply.kind === "ran") run.resolve(fromWire(reply.outputs));
      else run.reject(new ModelError(`${this.name} failed: ${reply.kind === "failed" ? reply.cause : reply.kind}`));
    } catch (error) {
      run.reject(new ModelError(`${this.name} failed: ${String(error)}`, { cause: error }));
    } finally {
      run.unsubscribe();
      unsubscribe();
      abandoned.delete(number);
      this.#begun.delete(run);
      this.longestMs = Math.max(this.longestMs, this.#clock.now() - beganAt);
      if (this.#begun.size === 0) this.#onIdle?.();
      this.#beginNext();
    }
  }
}

function toWire(feeds: Feeds): { feeds: WireFeeds; transfer: ArrayBuffer[] } {
  const wire: Record<string, WireTensor> = {};
  const transfer = new Set<ArrayBuffer>();
  for (const [name, { data, dims, type = "float32" }] of Object.entries(feeds)) {
    if (Array.isArray(data)) {
      wire[name] = { type: "string", dims, content: data };
      continue;
    }
    const isWhole = data.byteOffset === 0 && data.byteLength === data.buffer.byteLength;
    const content = (isWhole ? data.buffer : data.slice().buffer) as ArrayBuffer;
    transfer.add(content);
    wire[name] = { type, dims, content };
  }
  return { feeds: wire, transfer: [...transfer] };
}

function fromWire(outputs: WireFeeds): Feeds {
  const feeds: Record<string, Tensor> = {};
  for (const [name, { type, dims, content }] of Object.entries(outputs)) {
    if (content instanceof ArrayBuffer && type !== "string") {
      feeds[name] = { data: new (arrayOf(type))(content), dims, type };
    } else feeds[name] = { data: [...(content as readonly string[])], dims, type };
  }
  return feeds;
}
