/** The thread in which `bare.ts` measures: `run` blocks whoever calls it. */
import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { BareFigures, BareOptions } from "./bare.ts";

const WARM_UP_SHARE = 0.2;

const { path, threads, batchSize, seconds, gapMs = 0 } = workerData as BareOptions;
const session = await InferenceSession.create(path, {
  executionProviders: ["cpu"],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
const [input] = session.inputMetadata;
if (input?.isTensor !== true) throw new Error(`${path} has no input that is a tensor`);
const dims = input.shape.map((dim, at) => (at === 0 ? batchSize : Number(dim)));
const data = Float32Array.from({ length: dims.reduce((product, dim) => product * dim, 1) }, (_, at) => Math.sin(at));
/** Nobody ever notifies it: to wait for it is to be idle. */
const nobody = new Int32Array(new SharedArrayBuffer(4));
const feeds = { [input.name]: new Tensor("float32", data, dims) };

async function runFor(milliseconds: number): Promise<{ runsMs: number[]; tookMs: number }> {
  const runsMs: number[] = [];
  const startedAt = performance.now();
  let at = startedAt;
  while (at - startedAt < milliseconds || runsMs.length === 0) {
    await session.run(feeds);
    runsMs.push(performance.now() - at);
    if (gapMs > 0) Atomics.wait(nobody, 0, 0, gapMs);
    at = performance.now();
  }
  return { runsMs, tookMs: at - startedAt };
}

await runFor(seconds * WARM_UP_SHARE * 1_000);
const { runsMs, tookMs } = await runFor(seconds * 1_000);
await session.release();
const sorted = runsMs.toSorted((a, b) => a - b);
const p50Ms = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
const meanRunMs = runsMs.reduce((sum, ms) => sum + ms, 0) / runsMs.length;
const figures: BareFigures = { rowsPerSecond: (runsMs.length * batchSize * 1_000) / tookMs, p50Ms, meanRunMs };
parentPort?.postMessage(figures, []);
