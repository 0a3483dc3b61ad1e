import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { seededRandom } from "../../core/random.ts";
import { constant, model, node, value } from "../../test/fixture/onnx-writer.ts";

/** Numbers in a row of the model's input `x` and of its output `y`. */
export const MLP_WIDTH = 768;

const HIDDEN_WIDTH = 3_072;

/**
 * Feed-forward blocks of a transformer one after the other, each 768 → 3072 → 768, with random weights. Memory-bound for
 * one row and compute-bound for many: one row and a few take the same time, which is what batching gains from.
 */
export type Mlp = {
  readonly blocks: number;
  /** How its size is told to people. */
  readonly title: string;
  /** Where it is kept between runs: it has up to 226 MB, and is the same every time. */
  readonly path: string;
};

/** As many blocks as BERT base has. */
export const MLP = mlpOf(12);

/** Runs for a third to a fifth of the time, and so feels three to five times as much of what is around a run. */
export const SMALL_MLP = mlpOf(4);

function mlpOf(blocks: number): Mlp {
  const weights = (blocks * 2 * MLP_WIDTH * HIDDEN_WIDTH) / 1e6;
  return {
    blocks,
    title: `MLP of ${weights.toFixed(1)} M weights`,
    path: join(tmpdir(), "thornback-bench", `mlp-${MLP_WIDTH}-${HIDDEN_WIDTH}-${blocks}.onnx`),
  };
}

/** Writes the model, unless it was written before. */
export async function writeMlp({ path, blocks }: Mlp): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await mkdir(dirname(path), { recursive: true });
  // A second process may be writing as well; whoever is last puts the same content there.
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, contentOf(blocks));
  await rename(unfinished, path);
}

function contentOf(blocks: number): Uint8Array {
  const random = seededRandom(1);
  const nodes: Uint8Array[] = [];
  const constants: Uint8Array[] = [];
  let last = "x";
  const multiply = (name: string, from: number, to: number): void => {
    // Keeps the size of the values about equal from layer to layer, so that none become denormal and slow.
    const bound = Math.sqrt(6 / from);
    const weights = Float32Array.from({ length: from * to }, () => (2 * random.next() - 1) * bound);
    constants.push(constant(`w_${name}`, "float32", [from, to], weights));
    nodes.push(node("MatMul", [last, `w_${name}`], [name]));
    last = name;
  };
  for (let block = 0; block < blocks; block++) {
    multiply(`wide${block}`, MLP_WIDTH, HIDDEN_WIDTH);
    nodes.push(node("Relu", [last], [`relu${block}`]));
    last = `relu${block}`;
    multiply(block === blocks - 1 ? "y" : `narrow${block}`, HIDDEN_WIDTH, MLP_WIDTH);
  }
  return model({
    nodes,
    constants,
    inputs: [value("x", "float32", ["batch", MLP_WIDTH])],
    outputs: [value("y", "float32", ["batch", MLP_WIDTH])],
  });
}
