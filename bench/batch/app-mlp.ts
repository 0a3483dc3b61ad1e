/** The real model behind HTTP, a row of bytes in and a row of bytes out: by batch(), by it without the pause, by the model's own batch. */
import { application, batch, deployment } from "thornback";
import { OnnxModel } from "thornback/onnx";
import { MLP_PATH } from "./mlp.ts";

const MAX_BATCH_SIZE = 64;
/** One thread for the model, which is pinned to a core of its own; all replicas fit on the one core they start on. */
const OPTIONS = { resources: { cpus: 0.3 } };

class Mlp {
  readonly #model: OnnxModel;
  readonly #run: (row: Float32Array) => Promise<Float32Array>;

  constructor(path: string, maxWaitMs: number | null) {
    this.#model = new OnnxModel(path);
    const options = { maxBatchSize: MAX_BATCH_SIZE, ...(maxWaitMs === null ? {} : { maxWaitMs }) };
    this.#run = batch(options, (rows: Float32Array[]) => this.#model.predict(rows));
  }

  async predict(bytes: Uint8Array): Promise<Uint8Array> {
    return bytesOf(await this.#run(rowOf(bytes)));
  }
}

class StackedMlp {
  readonly #model: OnnxModel;

  constructor(path: string) {
    this.#model = new OnnxModel(path, { batch: { maxBatchSize: MAX_BATCH_SIZE } });
  }

  async predict(bytes: Uint8Array): Promise<Uint8Array> {
    const [answer] = await this.#model.predict([rowOf(bytes)]);
    return bytesOf(answer ?? new Float32Array());
  }
}

function rowOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
}

function bytesOf(row: Float32Array): Uint8Array {
  return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
}

const mlp = deployment(Mlp, OPTIONS);

export default [
  application(mlp.bind(MLP_PATH, null), { name: "mlp", routePrefix: "/mlp" }),
  application(mlp.bind(MLP_PATH, 0), { name: "impatient", routePrefix: "/impatient" }),
  application(deployment(StackedMlp, OPTIONS).bind(MLP_PATH), { name: "stacked", routePrefix: "/stacked" }),
];
