/**
 * The thread a model runs in. onnxruntime's `run` and `create` block the thread that calls them, so they are called
 * here, where nothing else waits. One request at a time, in order; the thread ends itself when told to close, because
 * ending it from outside while it runs a model would abort the whole process.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort } from "node:worker_threads";
import type * as Runtime from "onnxruntime-node";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import type {
  LoadRequest,
  LoadResult,
  SkippedProvider,
  ThreadReply,
  ThreadRequest,
  WireFeeds,
  WireTensor,
} from "./onnx-message.ts";
import type { TensorInfo, TensorType } from "./session.ts";
import { arrayOf } from "./tensor.ts";

type Onnxruntime = typeof Runtime;

class MissingRuntime extends Error {}

let runtime: Onnxruntime | undefined;
let session: InferenceSession | undefined;

async function loadRuntime(resolveFrom: readonly string[]): Promise<Onnxruntime> {
  if (runtime !== undefined) return runtime;
  const loaded = await importRuntime(resolveFrom);
  loaded.env.logLevel = "error";
  runtime = loaded;
  return loaded;
}

/** The runtime's own onnxruntime-node first, then those of the folders. */
async function importRuntime(resolveFrom: readonly string[]): Promise<Onnxruntime> {
  let cause: unknown;
  try {
    return asRuntime(await import("onnxruntime-node"));
  } catch (error) {
    cause = error;
  }
  for (const folder of resolveFrom) {
    try {
      const found = createRequire(join(folder, "package.json")).resolve("onnxruntime-node");
      return asRuntime(await import(pathToFileURL(found).href));
    } catch (error) {
      cause = isNotFound(error) ? cause : error;
    }
  }
  throw new MissingRuntime(messageOf(cause), { cause });
}

/** It is CommonJS: which of its names Node can list for `import` differs by how it was found. */
function asRuntime(module: unknown): Onnxruntime {
  const candidate = module as Onnxruntime & { default?: Onnxruntime };
  return candidate.default ?? candidate;
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `y = x` for one float, 65 bytes: running it once makes onnxruntime initialise what it makes only once. */
const IDENTITY_MODEL = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0=";

async function warm(resolveFrom: readonly string[]): Promise<void> {
  const { InferenceSession: Session, Tensor: RuntimeTensor } = await loadRuntime(resolveFrom);
  const throwaway = await Session.create(Buffer.from(IDENTITY_MODEL, "base64"), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await throwaway.run({ x: new RuntimeTensor("float32", new Float32Array(1), [1]) });
  await throwaway.release();
}

async function load(request: LoadRequest): Promise<LoadResult> {
  const { InferenceSession: Session } = await loadRuntime(request.resolveFrom);
  const providers = request.isStrict ? request.providers.slice(0, 1) : request.providers;
  const skipped: SkippedProvider[] = [];
  for (const provider of providers) {
    try {
      session = await Session.create(request.path, {
        executionProviders: [provider],
        intraOpNumThreads: request.threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
        extra: { session: { intra_op: { allow_spinning: request.isSpinning ? "1" : "0" } } },
      });
      const inputs = session.inputMetadata.map(toInfo);
      return { inputs, outputs: session.outputMetadata.map(toInfo), provider, skipped };
    } catch (error) {
      skipped.push({ provider, cause: messageOf(error) });
    }
  }
  // The last one's cause: the first may only be a GPU that is not there, the last says what is wrong with the model.
  throw new Error(skipped.at(-1)?.cause ?? "no execution provider was asked for");
}

function toInfo(metadata: InferenceSession.ValueMetadata): TensorInfo {
  const { name } = metadata;
  if (!metadata.isTensor) throw new Error(`"${name}" is not a tensor (a sequence or map): export the model without it`);
  return { name, type: metadata.type as TensorType, dims: metadata.shape };
}

async function run(feeds: WireFeeds): Promise<{ outputs: WireFeeds; transfer: ArrayBuffer[] }> {
  if (runtime === undefined || session === undefined) throw new Error("no model is loaded");
  const inputs: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(feeds)) inputs[name] = toRuntime(runtime, tensor);
  const results = await session.run(inputs);
  const outputs: Record<string, WireTensor> = {};
  const buffers = new Set<ArrayBuffer>();
  for (const [name, tensor] of Object.entries(results)) {
    const content = contentOf(tensor);
    if (content instanceof ArrayBuffer) buffers.add(content);
    outputs[name] = { type: tensor.type as TensorType, dims: tensor.dims, content };
  }
  return { outputs, transfer: [...buffers] };
}

function toRuntime({ Tensor: RuntimeTensor }: Onnxruntime, { type, dims, content }: WireTensor): Tensor {
  if (!(content instanceof ArrayBuffer)) return new RuntimeTensor("string", [...content], dims);
  const data = new (arrayOf(type as Exclude<TensorType, "string">))(content);
  return new RuntimeTensor(type, data as Float32Array, dims) as Tensor;
}

/** The output's elements in a buffer that holds nothing else, so that it can change hands. */
function contentOf(tensor: InferenceSession.ReturnType[string]): WireTensor["content"] {
  const data = tensor.data as ArrayBufferView | string[];
  if (Array.isArray(data)) return data;
  const { buffer, byteOffset, byteLength } = data;
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength) return buffer;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}

async function answer(request: ThreadRequest): Promise<{ reply: ThreadReply; transfer: ArrayBuffer[] }> {
  const { id } = request;
  switch (request.kind) {
    case "warm":
      await warm(request.resolveFrom);
      return { reply: { id, kind: "done" }, transfer: [] };
    case "load":
      return { reply: { id, kind: "loaded", result: await load(request) }, transfer: [] };
    case "run": {
      const { outputs, transfer } = await run(request.feeds);
      return { reply: { id, kind: "ran", outputs }, transfer };
    }
    case "close":
      await session?.release();
      session = undefined;
      return { reply: { id, kind: "done" }, transfer: [] };
  }
}

const port = parentPort;
/** Requests are answered one after the other, whatever each waits for. */
let last: Promise<void> = Promise.resolve();

async function serve(request: ThreadRequest): Promise<void> {
  try {
    const { reply, transfer } = await answer(request);
    port?.postMessage(reply, transfer);
  } catch (error) {
    const failure = error instanceof MissingRuntime ? "missingRuntime" : "model";
    port?.postMessage({ id: request.id, kind: "failed", failure, cause: messageOf(error) } satisfies ThreadReply);
  }
  if (request.kind === "close") port?.close();
}

port?.on("message", (request: ThreadRequest) => {
  last = last.then(() => serve(request));
});
