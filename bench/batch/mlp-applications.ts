/** The real model behind HTTP, a row of bytes in and a row of bytes out: by batch(), by it without the pause, by the model's own batch. */
import { application, batch, deployment } from "thornback";
import { OnnxModel } from "thornback/onnx";

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

/** By the names that mlp-designs.ts calls. */
export function mlpApplications(path: string) {
  const mlp = deployment(Mlp, OPTIONS);
  return [
    application(mlp.bind(path, null), { name: "mlp", routePrefix: "/mlp" }),
    application(mlp.bind(path, 0), { name: "impatient", routePrefix: "/impatient" }),
    application(deployment(StackedMlp, OPTIONS).bind(path), { name: "stacked", routePrefix: "/stacked" }),
  ];
}
