import { ModelError } from "../core/error.ts";
import { longestOf, type Padding, type Sizes } from "./padding.ts";
import type { Feeds, Tensor, TensorData } from "./session.ts";
import { arrayOf, type CheckedFeeds } from "./tensor.ts";

/** Rows of feeds: their common size along dimension 0; undefined when they have none, so that they cannot be stacked. */
export function rowsOf(feeds: CheckedFeeds): number | undefined {
  let rows: number | undefined;
  for (const { dims } of Object.values(feeds)) {
    if (dims[0] === undefined || (rows !== undefined && dims[0] !== rows)) return undefined;
    rows = dims[0];
  }
  return rows;
}

/** Feeds with equal keys can be stacked: they differ in dimension 0 and in padded dimensions alone. */
export function stackKey(feeds: CheckedFeeds, padding?: Padding): string {
  return Object.entries(feeds)
    .map(([name, { dims }]) => {
      const padded = padding?.inputs.get(name);
      const sizes = dims.slice(1).map((size, at) => (padded?.[at + 1] === undefined ? size : "*"));
      return `${name}:${sizes.join("x")}`;
    })
    .join("|");
}

/**
 * One set of feeds with the rows of all, in order, each padded to the longest. All have the same {@link stackKey}.
 * Always new buffers.
 */
export function stack(items: readonly CheckedFeeds[], padding?: Padding): CheckedFeeds {
  const stacked: Record<string, Required<Tensor>> = {};
  for (const name of Object.keys(items[0] ?? {})) {
    const tensors = items.map((item) => item[name] as Required<Tensor>);
    stacked[name] = concatenate(tensors, padding?.fillers.get(name));
  }
  return stacked;
}

function concatenate(tensors: readonly Required<Tensor>[], filler: number | undefined): Required<Tensor> {
  const { type = "float32", dims: firstDims = [] } = tensors[0] ?? {};
  const dims = firstDims.map((_, axis) =>
    tensors.reduce((size, tensor) => {
      const own = tensor.dims[axis] ?? 0;
      return axis === 0 ? size + own : Math.max(size, own);
    }, 0),
  );
  const isRagged = tensors.some((tensor) => tensor.dims.some((size, axis) => axis > 0 && size !== dims[axis]));
  const data = elements(type, product(dims));
  // New arrays hold zeros.
  if (isRagged && filler !== undefined && filler !== 0) fill(data, filler);
  let row = 0;
  for (const tensor of tensors) {
    const rows = tensor.dims[0] ?? 0;
    copyCommon({ ...tensor, row: 0 }, { data, dims, row }, rows);
    row += rows;
  }
  return { type, dims, data };
}

/** One caller's part of a stacked run. */
export type StackedPart = {
  readonly rows: number;
  /** Its own sizes of the padded dimensions. */
  readonly sizes: Sizes;
};

/**
 * Takes outputs apart again, into buffers of their own, so that no caller can see or keep alive another's: 0.1 ms for
 * 64 outputs of 3 KB, 0.3 % of the run they come from (`bench/batch/mlp.ts`), and 0.9 ms for 64 of 64 KB. Padded dimensions
 * are cut back to each one's own size.
 *
 * @throws {ModelError} when an output does not have one row per row of input, so that it belongs to nobody, or is not as
 * long as its inputs.
 */
export function split(outputs: Feeds, parts: readonly StackedPart[], padding?: Padding): Feeds[] {
  const total = parts.reduce((sum, { rows }) => sum + rows, 0);
  const longest = longestOf(parts.map(({ sizes }) => sizes));
  const items: Record<string, Tensor>[] = parts.map(() => ({}));
  for (const [name, output] of Object.entries(outputs)) {
    const padded = padding?.outputs.get(name);
    const problem = outputProblem(output, { total, longest, padded });
    if (problem !== undefined) throw new ModelError(`output "${name}" ${problem}`);
    let row = 0;
    for (const [index, { rows, sizes }] of parts.entries()) {
      const dims = output.dims.map((size, axis) => (axis === 0 ? rows : (ownSize(padded?.[axis], sizes) ?? size)));
      const item = items[index] as Record<string, Tensor>;
      item[name] = cutOut(output, row, dims);
      row += rows;
    }
  }
  return items;
}

function ownSize(name: string | undefined, sizes: Sizes): number | undefined {
  return name === undefined ? undefined : sizes.get(name);
}

type Expected = {
  readonly total: number;
  readonly longest: Sizes;
  readonly padded: readonly (string | undefined)[] | undefined;
};

function outputProblem({ dims }: Tensor, { total, longest, padded }: Expected): string | undefined {
  const shown = `has dims [${dims.join(", ")}]`;
  if (dims[0] !== total) {
    return (
      `${shown} for ${total} rows of input, so it cannot be split among the callers of a batch; leave out the model's ` +
      "batch option"
    );
  }
  for (const [axis, name] of (padded ?? []).entries()) {
    const size = ownSize(name, longest);
    if (size === undefined || dims[axis] === size) continue;
    return `${shown} where its inputs have "${name ?? ""}" ${size}, so that padding cannot be cut off it; leave out pad`;
  }
  return undefined;
}

function cutOut(output: Tensor, row: number, dims: readonly number[]): Tensor {
  const { data: all, dims: allDims, type } = output;
  const isWhole = dims.every((size, axis) => axis === 0 || size === allDims[axis]);
  const kind = type === undefined ? {} : { type };
  if (isWhole) {
    const rowLength = product(allDims.slice(1));
    return { data: all.slice(row * rowLength, (row + (dims[0] ?? 0)) * rowLength), dims, ...kind };
  }
  const data = emptyLike(all, product(dims));
  copyCommon({ data: all, dims: allDims, row }, { data, dims, row: 0 }, dims[0] ?? 0);
  return { data, dims, ...kind };
}

/** A tensor, and the row in it where something begins. */
type Place = { readonly data: TensorData; readonly dims: readonly number[]; readonly row: number };

/** Copies of `rows` rows whatever lies within the sizes of both. */
function copyCommon(from: Place, to: Place, rows: number): void {
  const common = from.dims.map((size, axis) => (axis === 0 ? rows : Math.min(size, to.dims[axis] ?? 0)));
  const fromSteps = stepsOf(from.dims);
  const toSteps = stepsOf(to.dims);
  // From this dimension inwards both lie alike in memory, so that it is copied in one go. It is the first, 0, where
  // nothing is padded; 1 for [rows, tokens] of different lengths, and for [rows, tokens, width] too.
  let whole = common.length - 1;
  while (whole > 0 && from.dims[whole] === to.dims[whole]) whole--;
  const length = (common[whole] ?? 0) * (fromSteps[whole] ?? 0);
  const walk = (axis: number, fromAt: number, toAt: number): void => {
    if (axis === whole) {
      move({ from: from.data, fromAt, to: to.data, toAt, length });
      return;
    }
    const [fromStep, toStep] = [fromSteps[axis] ?? 0, toSteps[axis] ?? 0];
    for (let at = 0; at < (common[axis] ?? 0); at++) walk(axis + 1, fromAt + at * fromStep, toAt + at * toStep);
  };
  walk(0, from.row * (fromSteps[0] ?? 0), to.row * (toSteps[0] ?? 0));
}

/** How many elements further the next one along each dimension is: [3, 4] → [4, 1]. */
function stepsOf(dims: readonly number[]): number[] {
  return dims.map((_, axis) => product(dims.slice(axis + 1)));
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}

type Move = {
  readonly from: TensorData;
  readonly fromAt: number;
  readonly to: TensorData;
  readonly toAt: number;
  readonly length: number;
};

function move({ from, fromAt, to, toAt, length }: Move): void {
  if (Array.isArray(from) || Array.isArray(to)) {
    for (let at = 0; at < length; at++) to[toAt + at] = from[fromAt + at] as string;
    return;
  }
  const part = fromAt === 0 && length === from.length ? from : from.subarray(fromAt, fromAt + length);
  // Elements of one type go into an array of that type; TypeScript cannot know that they are the same.
  (to as Float32Array).set(part as Float32Array, toAt);
}

function elements(type: Required<Tensor>["type"], length: number): TensorData {
  return type === "string" ? Array.from({ length }, () => "") : new (arrayOf(type))(length);
}

function emptyLike(data: TensorData, length: number): TensorData {
  if (Array.isArray(data)) return Array.from({ length }, () => "");
  return new (data.constructor as Float32ArrayConstructor)(length);
}

function fill(data: TensorData, filler: number): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(BigInt(filler));
  else if (!Array.isArray(data)) data.fill(filler);
}
