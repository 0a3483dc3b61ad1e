import { MOST_JSON_DEPTH } from "../../core/limits.ts";

/**
 * A result as JSON. Typed arrays become arrays of numbers, and bigints numbers where no digit is lost, because that is
 * what models give back; `JSON.stringify` alone would make an object of the first and throw on the second.
 *
 * @throws {TypeError} naming the path of what has no JSON form.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(isPlain(value, 0) ? value : toPlain(value, "result", 0)) ?? "null";
}

/** Most elements: JSON as they are, so they are spared the checks that the rest needs. */
function isLeaf(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === undefined;
}

/** Whether all of it is plain records, lists and leaves, as nearly every result is: then nothing has to be looked up. */
function isPlain(value: unknown, depth: number): boolean {
  if (isLeaf(value) || value === null) return true;
  if (typeof value !== "object" || depth > MOST_JSON_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const element: unknown = value[at];
      if (typeof element !== "number" && !isPlain(element, depth + 1)) return false;
    }
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "toJSON" in value) return false;
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key], depth + 1)) return false;
  return true;
}

/** The same object where nothing had to be changed, so that ordinary results cost one walk and no copy. */
function toPlain(value: unknown, path: string, depth: number): unknown {
  if (typeof value === "bigint") return toNumber(value, path);
  // JSON.stringify would leave these out, or make null or {} of them, and nobody would be told.
  if (typeof value === "function" || typeof value === "symbol" || value instanceof Map || value instanceof Set) {
    const kind = typeof value === "object" ? value.constructor.name : typeof value;
    throw new TypeError(
      `${path} is a ${kind}, which has no JSON form; return plain objects, arrays, strings and numbers`,
    );
  }
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) {
    if (value instanceof DataView) throw new TypeError(`${path} is a DataView, which has no JSON form`);
    return Array.from(value as unknown as ArrayLike<number | bigint>, (element) =>
      typeof element === "bigint" ? toNumber(element, path) : element,
    );
  }
  // The engine itself finds cycles and says so.
  if (depth > MOST_JSON_DEPTH || "toJSON" in value) return value;
  return Array.isArray(value)
    ? plainArray(value, path, depth)
    : plainRecord(value as Record<string, unknown>, path, depth);
}

function plainArray(array: readonly unknown[], path: string, depth: number): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let at = 0; at < array.length; at++) {
    const element = array[at];
    if (isLeaf(element)) continue;
    const plain = toPlain(element, `${path}[${at}]`, depth + 1);
    if (plain !== element) (copy ??= [...array])[at] = plain;
  }
  return copy ?? array;
}

function plainRecord(record: Record<string, unknown>, path: string, depth: number): Record<string, unknown> {
  let copy: Map<string, unknown> | undefined;
  for (const [key, element] of Object.entries(record)) {
    if (isLeaf(element)) continue;
    const plain = toPlain(element, `${path}.${key}`, depth + 1);
    if (plain !== element) (copy ??= new Map(Object.entries(record))).set(key, plain);
  }
  return copy === undefined ? record : Object.fromEntries(copy);
}

function toNumber(value: bigint, path: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new TypeError(`${path} is a bigint that a JSON number cannot hold exactly; return it as a string`);
  }
  return number;
}
