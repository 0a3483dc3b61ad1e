import { InvalidRequestError, type Problem } from "../core/error.ts";
import { MOST_PROBLEMS } from "../core/limits.ts";
import type { Feeds, Tensor, TensorData, TensorInfo, TensorType } from "./session.ts";

/** Any of the typed arrays a tensor may hold. */
export type NumericData = Exclude<TensorData, string[]>;

type NumericArray = {
  new (length: number): NumericData;
  new (buffer: ArrayBuffer): NumericData;
};

const ARRAYS: Readonly<Record<Exclude<TensorType, "string">, NumericArray>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** The typed array that holds a type's elements. */
export function arrayOf(type: Exclude<TensorType, "string">): NumericArray {
  return ARRAYS[type];
}

/** Feeds that fit a model, each with its type. */
export type CheckedFeeds = Readonly<Record<string, Required<Tensor>>>;

/** What may be let through. */
export type CheckOptions = {
  /** NaN among floats: a mistake more often than a marker of missing values. */
  readonly allowNaN: boolean;
};

/**
 * Feeds with their types filled in, once everything about them fits what the model declares.
 *
 * @throws {InvalidRequestError} with every problem: the input, what it expects, what came. Never the values.
 */
export function checkFeeds(feeds: Feeds, inputs: readonly TensorInfo[], options: CheckOptions): CheckedFeeds {
  const problems: Problem[] = [];
  const checked: Record<string, Required<Tensor>> = {};
  if (typeof feeds !== "object" || feeds === null) {
    throw invalid([{ path: "", message: `expected an object of tensors by input name, got ${nameOf(feeds)}` }]);
  }
  for (const input of inputs) {
    const tensor = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
    if (tensor === undefined) {
      problems.push({ path: input.name, message: `missing; expected ${describeInput(input)}` });
      continue;
    }
    const found = tensorProblem(tensor, input, options);
    if (found !== undefined) problems.push({ path: input.name, message: found });
    else checked[input.name] = { data: plainData(tensor.data), dims: tensor.dims, type: input.type };
  }
  const names = inputs.map((input) => input.name);
  for (const name of Object.keys(feeds)) {
    if (!names.includes(name))
      problems.push({ path: name, message: `unknown; the model's inputs are ${names.join(", ")}` });
    if (problems.length >= MOST_PROBLEMS) break;
  }
  if (problems.length > 0) throw invalid(problems);
  return checked;
}

function invalid(problems: readonly Problem[]): InvalidRequestError {
  const listed = problems.slice(0, MOST_PROBLEMS);
  const text = listed.map(({ path, message }) => (path === "" ? message : `input "${path}": ${message}`)).join("; ");
  return new InvalidRequestError(`the tensors do not fit the model: ${text}`, { details: { problems: listed } });
}

/** `float32[batch, 64]`. */
export function describeInput(input: TensorInfo): string {
  return `${input.type}[${input.dims.map((dim) => (dim === "" ? "?" : dim)).join(", ")}]`;
}

function tensorProblem(tensor: Tensor, input: TensorInfo, options: CheckOptions): string | undefined {
  const expected = `expected ${describeInput(input)}`;
  if (typeof tensor !== "object" || tensor === null) return `${expected}, got ${nameOf(tensor)}`;
  const { data, dims, type } = tensor;
  if (type !== undefined && type !== input.type) return `${expected}, got type ${String(type)}`;
  if (!fitsType(data, input.type)) return `${expected}, got data in ${nameOf(data)}`;
  return dimsProblem(dims, data.length, input) ?? valuesProblem(data, input.type, options);
}

function dimsProblem(dims: unknown, length: number, input: TensorInfo): string | undefined {
  const expected = `expected ${describeInput(input)}`;
  if (!Array.isArray(dims)) return `${expected}, got no dims`;
  if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    return `${expected}, got dims that are not all whole numbers of at least 0`;
  }
  const sizes = dims as number[];
  const shown = `[${sizes.join(", ")}]`;
  if (sizes.length !== input.dims.length) return `${expected}, got dims ${shown}`;
  for (const [at, dim] of input.dims.entries()) {
    if (typeof dim === "number" && sizes[at] !== dim) return `${expected}, got dims ${shown}`;
  }
  if (sizes.includes(0)) return `${expected}, got dims ${shown}, which hold nothing`;
  const product = sizes.reduce((total, size) => total * size, 1);
  if (!Number.isSafeInteger(product)) return `dims ${shown} are more than any tensor can hold`;
  if (product !== length) return `dims ${shown} need ${product} elements, got ${length}`;
  return undefined;
}

function valuesProblem(data: TensorData, type: TensorType, options: CheckOptions): string | undefined {
  if (Array.isArray(data)) {
    const at = data.findIndex((value) => typeof value !== "string");
    return at < 0 ? undefined : `element ${at} is not a string`;
  }
  if (options.allowNaN || (type !== "float32" && type !== "float64")) return undefined;
  for (let at = 0; at < data.length; at++) {
    const value = data[at];
    // NaN is the only value that differs from itself.
    if (value !== value) return `element ${at} is NaN`;
  }
  return undefined;
}

function fitsType(data: unknown, type: TensorType): data is TensorData {
  if (type === "string") return Array.isArray(data);
  if (type === "float16" && nameOf(data) === "Float16Array") return true;
  return data instanceof ARRAYS[type];
}

/** Float16Array, which only some runtimes have, as the bits it is stored as. */
function plainData(data: TensorData): TensorData {
  if (Array.isArray(data) || nameOf(data) !== "Float16Array") return data;
  return new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? (value.constructor?.name ?? "an object") : `a ${typeof value}`;
}

/** A copy whose buffers nobody else holds. */
export function copyFeeds(feeds: CheckedFeeds): CheckedFeeds {
  const copy: Record<string, Required<Tensor>> = {};
  for (const [name, tensor] of Object.entries(feeds)) copy[name] = { ...tensor, data: tensor.data.slice() };
  return copy;
}
