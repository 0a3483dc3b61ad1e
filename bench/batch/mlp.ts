import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { seededRandom } from "../../core/random.ts";
import { constant, model, node, value } from "../../test/fixture/onnx-writer.ts";

/** Numbers in a row of the model's input `x` and of its output `y`. */
export const MLP_WIDTH = 768;

const HIDDEN_WIDTH = 3_072;
const BLOCKS = 4;

/** Where the model is kept between runs: it has 75 MB, and is the same every time. */
export const MLP_PATH = join(tmpdir(), "thornback-bench", `mlp-${MLP_WIDTH}-${HIDDEN_WIDTH}-${BLOCKS}.onnx`);

/**
 * Writes the feed-forward part of a small transformer, 768 → 3072 → 768 four times, with 18.9 M random weights; does
 * nothing where it was written before. Memory-bound for one row and compute-bound for many: one row and a few take the
 * same time, which is what batching gains from.
 */
export async function writeMlp(path: string = MLP_PATH): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await mkdir(dirname(path), { recursive: true });
  // A second process may be writing as well; whoever is last puts the same content there.
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, mlp());
  await rename(unfinished, path);
}

function mlp(): Uint8Array {
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
  for (let block = 0; block < BLOCKS; block++) {
    multiply(`wide${block}`, MLP_WIDTH, HIDDEN_WIDTH);
    nodes.push(node("Relu", [last], [`relu${block}`]));
    last = `relu${block}`;
    multiply(block === BLOCKS - 1 ? "y" : `narrow${block}`, HIDDEN_WIDTH, MLP_WIDTH);
  }
  return model({
    nodes,
    constants,
    inputs: [value("x", "float32", ["batch", MLP_WIDTH])],
    outputs: [value("y", "float32", ["batch", MLP_WIDTH])],
  });
}
