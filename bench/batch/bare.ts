/**
 * A model on bare onnxruntime-node: the limit that a server can come near. One thread asks for one run after the other,
 * on the same input each time, and does nothing else.
 *
 *   npm run bench:bare -- [--small] [--threads 1] [--seconds 3] [--sizes 1,16,64]
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { table } from "../../cli/print.ts";
import { MLP, SMALL_MLP, writeMlp } from "./mlp.ts";

/** What to measure. */
export type BareOptions = {
  /** A model with one input and open dimension 0. */
  readonly path: string;
  readonly threads: number;
  readonly batchSize: number;
  readonly seconds: number;
  /** For how long nothing runs after each run: a core that was idle runs the next one slower. */
  readonly gapMs?: number;
};

/** What came of it. `p50Ms` and `meanRunMs` are those of one run, of the whole batch, without the gap after it. */
export type BareFigures = { readonly rowsPerSecond: number; readonly p50Ms: number; readonly meanRunMs: number };

/** Runs the model over and over for that long, after a fifth of it as warm-up. */
export function measureBare(options: BareOptions): Promise<BareFigures> {
  // As the runtime itself does it: see session/onnx-session.ts.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const worker = new Worker(new URL("./bare-thread.ts", import.meta.url), { workerData: options });
  return new Promise((resolve, reject) => {
    let figures: BareFigures | undefined;
    worker.on("message", (message: BareFigures) => (figures = message));
    worker.on("error", reject);
    worker.on("exit", (code) => {
      if (figures === undefined) reject(new Error(`the thread ended with code ${code} and measured nothing`));
      else resolve(figures);
    });
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      small: { type: "boolean", default: false },
      threads: { type: "string", default: String(availableParallelism()) },
      seconds: { type: "string", default: "3" },
      sizes: { type: "string", default: "1,2,4,8,16,32,64" },
    },
  });
  const mlp = values.small ? SMALL_MLP : MLP;
  await writeMlp(mlp);
  const rows = [["batch", "rows/s", "p50 ms"]];
  for (const size of values.sizes.split(",")) {
    const [batchSize, threads, seconds] = [Number(size), Number(values.threads), Number(values.seconds)];
    const { rowsPerSecond, p50Ms } = await measureBare({ path: mlp.path, threads, batchSize, seconds });
    rows.push([size, rowsPerSecond.toFixed(0), p50Ms.toFixed(2)]);
  }
  console.log(table(rows));
}
