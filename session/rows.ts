import { InvalidRequestError, ModelError, type Problem } from "../core/error.ts";
import { MOST_PROBLEMS } from "../core/limits.ts";
import type { Feeds, ModelSession, Tensor, TensorInfo } from "./session.ts";
import { arrayOf, describeInput, type NumericData } from "./tensor.ts";

/** The one input and the one output of a model. Throws ModelError when it has more. */
function only(kind: "input" | "output", infos: readonly TensorInfo[]): TensorInfo {
  const [first, ...others] = infos;
  if (first === undefined || others.length > 0) {
    const names = infos.map(({ name }) => name).join(", ");
    throw new ModelError(
      `predict(rows) needs a model with one ${kind}; this one has ${names}: call run(feeds) instead`,
    );
  }
  return first;
}

/**
 * Rows of numbers as the feeds of a model with one input. A row fills one step along dimension 0.
 *
 * @throws {InvalidRequestError} naming every row that does not fit.
 * @throws {ModelError} when the model has several inputs or outputs, or takes strings.
 */
export function rowsToFeeds(rows: readonly ArrayLike<number>[], session: ModelSession): Feeds {
  const input = only("input", session.inputs);
  only("output", session.outputs);
  const { type, dims } = input;
  if (type === "string" || type === "float16") {
    throw new ModelError(`predict(rows) takes numbers and input "${input.name}" is ${type}: call run(feeds) instead`);
  }
  if (!Array.isArray(rows) || rows.length === 0) throw invalid(input, [{ path: "", message: "no rows were given" }]);
  const first: unknown = rows[0];
  const length = fixedRowLength(dims) ?? (isRow(first) ? first.length : 0);
  const problems = rowProblems(rows, length);
  if (problems.length > 0) throw invalid(input, problems);
  const data = new (arrayOf(type))(rows.length * length);
  for (const [at, row] of rows.entries()) fill(data, at * length, row);
  return { [input.name]: { data, dims: [rows.length, ...rowDims(dims, length)], type } };
}

/** Numbers a row must have; undefined where the model leaves it open. */
function fixedRowLength(dims: TensorInfo["dims"]): number | undefined {
  let length = 1;
  for (const dim of dims.slice(1)) {
    if (typeof dim === "string") return undefined;
    length *= dim;
  }
  return length;
}

/** Sizes of one row; one open size takes what is left of the row's length. */
function rowDims(dims: TensorInfo["dims"], length: number): number[] {
  const inner = dims.slice(1);
  const open = inner.filter((dim) => typeof dim === "string").length;
  if (open === 0) return inner as number[];
  const known = inner.reduce<number>((product, dim) => (typeof dim === "number" ? product * dim : product), 1);
  if (open > 1 || length % known !== 0) {
    throw new ModelError(
      "predict(rows) cannot tell the shape of a row for this model: call run(feeds) with dims instead",
    );
  }
  return inner.map((dim) => (typeof dim === "number" ? dim : length / known));
}

function isRow(row: unknown): row is ArrayLike<number> {
  return Array.isArray(row) || (ArrayBuffer.isView(row) && "length" in row);
}

function rowProblems(rows: readonly unknown[], length: number): Problem[] {
  const problems: Problem[] = [];
  for (const [at, row] of rows.entries()) {
    if (problems.length >= MOST_PROBLEMS) break;
    if (!isRow(row))
      problems.push({ path: `[${at}]`, message: `expected a row of ${length} numbers, got ${typeof row}` });
    else if (row.length !== length) {
      problems.push({ path: `[${at}]`, message: `expected ${length} numbers, got ${row.length}` });
    } else {
      const bad = badElement(row);
      if (bad >= 0) problems.push({ path: `[${at}][${bad}]`, message: "expected a number" });
    }
  }
  return problems;
}

/** Index of the first element that is not a number; -1 without one. Numeric arrays cannot have any. */
function badElement(row: ArrayLike<unknown>): number {
  if (ArrayBuffer.isView(row)) return -1;
  for (let at = 0; at < row.length; at++) {
    const element = row[at];
    if (typeof element !== "number" && typeof element !== "bigint") return at;
  }
  return -1;
}

function fill(data: NumericData, at: number, row: ArrayLike<number>): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < row.length; i++) data[at + i] = toBigInt(row[i] as number | bigint, at + i);
    return;
  }
  if (row instanceof BigInt64Array || row instanceof BigUint64Array) {
    for (let i = 0; i < row.length; i++) data[at + i] = Number(row[i]);
    return;
  }
  data.set(row, at);
}

function toBigInt(value: number | bigint, at: number): bigint {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return BigInt(value);
  throw new InvalidRequestError(`element ${at} is not a whole number, and the model's input takes whole numbers`);
}

function invalid(input: TensorInfo, problems: readonly Problem[]): InvalidRequestError {
  const text = problems.map(({ path, message }) => (path === "" ? message : `row ${path}: ${message}`)).join("; ");
  return new InvalidRequestError(`the rows do not fit input "${input.name}" (${describeInput(input)}): ${text}`, {
    details: { problems },
  });
}

/** The rows of a model's one output; a row of a flat output has one element. */
export function outputToRows(outputs: Feeds, session: ModelSession): NumericData[] {
  const output = only("output", session.outputs);
  const { data, dims } = outputs[output.name] as Tensor;
  if (Array.isArray(data)) {
    throw new ModelError(`output "${output.name}" holds strings: call run(feeds) instead of predict(rows)`);
  }
  const rows = dims[0] ?? 1;
  // Outputs are the caller's own already.
  if (rows === 1) return [data];
  const length = data.length / rows;
  return Array.from({ length: rows }, (_, at) => data.slice(at * length, (at + 1) * length));
}
