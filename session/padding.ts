import { InvalidRequestError, type Problem } from "../core/error.ts";
import { ModelLoadError, type TensorInfo, type TensorType } from "./session.ts";
import { arrayOf, describeInput, type CheckedFeeds } from "./tensor.ts";

/** Which dimensions of a model are padded, so that tensors of different size can be stacked, and with what. */
export type Padding = {
  /** What fills an input, by its name. */
  readonly fillers: ReadonlyMap<string, number>;
  /** By the name of an input or output: the name of each of its dimensions that is padded, undefined for the others. */
  readonly inputs: PaddedDims;
  readonly outputs: PaddedDims;
};

type PaddedDims = ReadonlyMap<string, readonly (string | undefined)[]>;

/** An item's own sizes of the padded dimensions, by their names. */
export type Sizes = ReadonlyMap<string, number>;

/** What padding is made from. */
export type PaddingOptions = {
  /** How errors name the model. */
  readonly name: string;
  /** What fills which input. */
  readonly pad: Readonly<Record<string, number>>;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
};

/**
 * Padded are all dimensions but the first that the inputs named by `pad` leave open. Models tell equal sizes by equal
 * names, and onnxruntime hands these names on: by them outputs are cut back.
 *
 * @throws {ModelLoadError} with every reason for which this model cannot be padded so.
 */
export function createPadding({ name, pad, inputs, outputs }: PaddingOptions): Padding {
  const fillers = new Map(Object.entries(pad));
  const problems: string[] = [];
  for (const [input, filler] of fillers) {
    const info = inputs.find((one) => one.name === input);
    const problem = info === undefined ? "the model has no such input" : fillerProblem(info, filler);
    if (problem !== undefined) problems.push(`pad.${input}: ${problem}`);
  }
  const paddedInputs = inputs.filter((info) => fillers.has(info.name));
  const padded = new Set(paddedInputs.flatMap(openDims));
  const open = new Set(inputs.flatMap(openDims));
  for (const info of inputs) {
    const dim = openDims(info).find((one) => padded.has(one));
    if (dim === undefined) continue;
    if (!fillers.has(info.name))
      problems.push(`input "${info.name}" has dimension "${dim}" too: name it in pad as well`);
    if (padded.has(String(info.dims[0])))
      problems.push(`input "${info.name}": dimension "${dim}" is that of its rows too`);
  }
  for (const info of outputs) {
    const unknown = openDims(info).find((dim) => !open.has(dim));
    if (unknown !== undefined) {
      const shown = describeInput(info);
      problems.push(
        `output "${info.name}" is ${shown}, and no input has a dimension of that name, so that padding could not be ` +
          "cut off it: export the model with one name for one size",
      );
    }
  }
  if (problems.length > 0) throw new ModelLoadError(`${name} cannot be padded: ${problems.join("; ")}`, true);
  const namesOf = (infos: readonly TensorInfo[]): PaddedDims =>
    new Map(
      infos
        .map((info) => [info.name, info.dims.map((_, axis) => paddedName(info, axis, padded))] as const)
        .filter(([, names]) => names.some((one) => one !== undefined)),
    );
  return { fillers, inputs: namesOf(inputs), outputs: namesOf(outputs) };
}

function fillerProblem(info: TensorInfo, filler: number): string | undefined {
  const shown = describeInput(info);
  if (openDims(info).length === 0) return `${shown} leaves no dimension but the first open`;
  if (info.type === "string") return `${shown} holds strings, which cannot be padded`;
  if (info.type === "float16") return filler === 0 ? undefined : `${shown} can be padded with 0 alone`;
  if (info.type === "float32" || info.type === "float64") return undefined;
  return stored(info.type, filler) === filler ? undefined : `${shown} cannot hold ${filler}`;
}

/** What becomes of a number in a tensor of whole numbers; NaN where it cannot be put in. */
function stored(type: Exclude<TensorType, "string">, filler: number): number {
  if (!Number.isSafeInteger(filler) || (type === "bool" && filler > 1)) return Number.NaN;
  const elements = new (arrayOf(type))(1);
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) elements[0] = BigInt(filler);
  else elements[0] = filler;
  return Number(elements[0]);
}

/** Names of the dimensions that are left open, the first apart. A nameless one is nobody else's. */
function openDims(info: TensorInfo): string[] {
  return info.dims.flatMap((_, axis) => openName(info, axis) ?? []);
}

function openName({ name, dims }: TensorInfo, axis: number): string | undefined {
  const dim = dims[axis];
  if (axis === 0 || typeof dim !== "string") return undefined;
  return dim === "" ? `${name}[${axis}]` : dim;
}

function paddedName(info: TensorInfo, axis: number, padded: ReadonlySet<string>): string | undefined {
  const name = openName(info, axis);
  return name !== undefined && padded.has(name) ? name : undefined;
}

/**
 * An item's own sizes.
 *
 * @throws {InvalidRequestError} when its tensors disagree about one: alone the model would refuse them, and padded it
 * would not notice.
 */
export function sizesOf(feeds: CheckedFeeds, padding: Padding): Sizes {
  const sizes = new Map<string, number>();
  const firstInput = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [input, names] of padding.inputs) {
    for (const [axis, name] of names.entries()) {
      if (name === undefined) continue;
      const size = feeds[input]?.dims[axis] ?? 0;
      const known = sizes.get(name);
      if (known === undefined) {
        sizes.set(name, size);
        firstInput.set(name, input);
      } else if (known !== size) {
        const text = `"${name}" is ${size}, and ${known} in input "${firstInput.get(name) ?? ""}"`;
        problems.push({ path: input, message: text });
      }
    }
  }
  if (problems.length > 0) {
    const text = problems.map(({ path, message }) => `input "${path}": ${message}`).join("; ");
    throw new InvalidRequestError(`the tensors do not fit each other: ${text}`, { details: { problems } });
  }
  return sizes;
}

/** Elements of one row in the padded dimensions: what a longer neighbour makes an item cost more. */
export function paddedLength(sizes: Sizes): number {
  let length = 1;
  for (const size of sizes.values()) length *= size;
  return length;
}

/** The sizes that a batch of these items is padded to. */
export function longestOf(all: readonly Sizes[]): Sizes {
  const longest = new Map<string, number>();
  for (const sizes of all) {
    for (const [name, size] of sizes) longest.set(name, Math.max(size, longest.get(name) ?? 0));
  }
  return longest;
}
