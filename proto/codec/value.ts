import { InvalidRequestError } from "../../core/error.ts";
import { MOST_VALUE_DEPTH } from "../../core/limits.ts";

/**
 * Arguments and results of calls between deployments, as bytes.
 *
 * Nothing at all is `undefined`. A value that JSON can hold is its JSON text. Anything else begins with a byte that no
 * JSON text begins with, and is laid out as
 *
 *     u8 1 | 3 zero bytes | u32 length of the JSON text | JSON text | zeros up to a multiple of 8 | attachments
 *
 * where what JSON cannot hold is an object with the key `$` (a tag), and each attachment, the bytes of a typed array,
 * begins at a multiple of 8 so that the receiver can look at them where they are. An object of the user's that has a key
 * `$` itself is tagged too, so nothing that users send can be taken for a tag.
 */

const RICH = 1;
const PREFIX_BYTES = 8;
const ALIGNMENT = 8;
const PADDING = new Uint8Array(ALIGNMENT);

/** Constructors of what may be attached, by the name they have on the wire. */
const VIEWS = {
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
} as const;

type ViewName = keyof typeof VIEWS;
type JsonObject = Record<string, unknown>;
type Path = (string | number)[];
type Attachments = {
  readonly bytes: Buffer;
  /**
   * Whether typed arrays may look at `bytes`. Not where that memory holds other frames too: a user may transfer an
   * array's memory to a thread, which takes all of it away.
   */
  readonly isLent: boolean;
};

/**
 * A value as chunks of bytes, in order. The bytes of typed arrays are not copied: they must not change until the call
 * has ended.
 *
 * @param root what the value is called in an error, for instance `arguments`.
 * @throws {TypeError} when something in it is not plain data; the message names the path to it.
 */
export function encodeValue(value: unknown, root = "value"): Uint8Array[] {
  if (value === undefined) return [];
  if (isJson(value, 0)) return [Buffer.from(JSON.stringify(value))];
  const encoder = new Encoder(root);
  const json = Buffer.from(JSON.stringify(encoder.tag(value, 0)));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix[0] = RICH;
  prefix.writeUInt32BE(json.byteLength, 4);
  return [prefix, json, ...paddingAfter(json.byteLength), ...encoder.attachments];
}

/**
 * The value that {@link encodeValue} made bytes of. Typed arrays look at the given bytes where those are the
 * whole of their memory, as a large body is; otherwise they get memory of their own.
 *
 * @throws {InvalidRequestError} when the bytes are nothing that `encodeValue` makes.
 */
export function decodeValue(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return undefined;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (buffer[0] !== RICH) return JSON.parse(buffer.toString("utf8")) as unknown;
    const jsonEnd = PREFIX_BYTES + buffer.readUInt32BE(4);
    if (jsonEnd > buffer.byteLength) throw new RangeError("the text is cut short");
    const attachments = {
      bytes: buffer.subarray(Math.min(aligned(jsonEnd), buffer.byteLength)),
      isLent: buffer.byteLength === buffer.buffer.byteLength,
    };
    return untag(JSON.parse(buffer.toString("utf8", PREFIX_BYTES, jsonEnd)), attachments);
  } catch (error) {
    throw new InvalidRequestError("a value from another deployment cannot be read: are both of the same release?", {
      cause: error,
    });
  }
}

/** Whether JSON gives the same value back, so that no tag is needed. */
function isJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= MOST_VALUE_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) if (!isJson(value[at], depth + 1)) return false;
    return true;
  }
  if (!isRecord(value) || Object.hasOwn(value, "$")) return false;
  for (const key in value) if (!isJson(value[key], depth + 1)) return false;
  return true;
}

/** A plain object, of this realm or another; not an instance of a class. */
function isRecord(value: object): value is JsonObject {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Builds the JSON tree of a value and gathers its attachments. */
class Encoder {
  readonly attachments: Uint8Array[] = [];
  readonly #root: string;
  readonly #path: Path = [];
  #attachedBytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  tag(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case "string":
      case "boolean":
        return value;
      case "number":
        if (Number.isFinite(value) && !Object.is(value, -0)) return value;
        return { $: "number", v: Object.is(value, -0) ? "-0" : String(value) };
      case "undefined":
        return { $: "undefined" };
      case "bigint":
        return { $: "bigint", v: String(value) };
      case "object":
        return value === null ? null : this.#tagObject(value, depth);
      default:
        return this.#refuse(`a ${typeof value}`);
    }
  }

  #tagObject(value: object, depth: number): unknown {
    if (depth >= MOST_VALUE_DEPTH) return this.#refuse(`a cycle, or data nested deeper than ${MOST_VALUE_DEPTH}`);
    if (Array.isArray(value)) return this.#tagList(value, depth);
    if (ArrayBuffer.isView(value)) return this.#tagView(value);
    if (value instanceof ArrayBuffer) return this.#attach("ArrayBuffer", new Uint8Array(value));
    if (value instanceof Date) return { $: "date", v: Number.isNaN(value.getTime()) ? null : value.getTime() };
    if (value instanceof Map) {
      const entries: unknown[] = [...(value as Map<unknown, unknown>)];
      return { $: "map", v: this.#tagList(entries, depth + 1) };
    }
    if (value instanceof Set) return { $: "set", v: this.#tagList([...(value as Set<unknown>)], depth + 1) };
    if (isRecord(value)) return this.#tagRecord(value, depth);
    if (value instanceof Promise) return this.#refuse("a promise (await it first)");
    return this.#refuse(`an instance of ${className(value)}`);
  }

  #tagList(list: readonly unknown[], depth: number): unknown[] {
    const tagged: unknown[] = [];
    for (let at = 0; at < list.length; at++) {
      this.#path.push(at);
      tagged.push(this.tag(list[at], depth + 1));
      this.#path.pop();
    }
    return tagged;
  }

  #tagRecord(record: JsonObject, depth: number): unknown {
    const entries: [string, unknown][] = [];
    for (const key of Object.keys(record)) {
      this.#path.push(key);
      entries.push([key, this.tag(record[key], depth + 1)]);
      this.#path.pop();
    }
    // fromEntries defines keys as they are, `__proto__` too, where an assignment would change the prototype.
    return Object.hasOwn(record, "$") ? { $: "record", v: entries } : Object.fromEntries(entries);
  }

  #tagView(view: ArrayBufferView): unknown {
    // A Buffer, or any other subclass, arrives as the typed array it is.
    const name = (view as ArrayBufferView & { readonly [Symbol.toStringTag]: string })[Symbol.toStringTag];
    if (!Object.hasOwn(VIEWS, name)) return this.#refuse(`a ${name}`);
    return this.#attach(name, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  }

  #attach(name: string, bytes: Uint8Array): unknown {
    const offset = this.#attachedBytes;
    // Memory shared with other threads may change at any time, also while it is being written to a socket.
    this.attachments.push(
      bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice(),
      ...paddingAfter(bytes.byteLength),
    );
    this.#attachedBytes += aligned(bytes.byteLength);
    return { $: "bytes", t: name, o: offset, n: bytes.byteLength };
  }

  #refuse(what: string): never {
    let text = this.#root;
    for (const part of this.#path.slice(0, 32)) {
      if (typeof part === "number") text += `[${part}]`;
      else text += /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
    }
    throw new TypeError(`${text} is ${what}, which cannot be sent to another deployment: send plain data instead`);
  }
}

function className(value: object): string {
  const maker: unknown = (value as { readonly constructor?: unknown }).constructor;
  return typeof maker === "function" && maker.name !== "" ? maker.name : "a class";
}

/** Turns tagged objects back into what they stand for, in place where nothing was tagged. */
function untag(node: unknown, attachments: Attachments): unknown {
  if (typeof node !== "object" || node === null) return node;
  if (Array.isArray(node)) return untagList(node, attachments);
  const record = node as JsonObject;
  if (Object.hasOwn(record, "$")) return untagTagged(record, attachments);
  for (const key of Object.keys(record)) {
    const before = record[key];
    const after = untag(before, attachments);
    if (after !== before) define(record, key, after);
  }
  return record;
}

function untagList(list: unknown, attachments: Attachments): unknown[] {
  if (!Array.isArray(list)) throw new TypeError("a tag without its list");
  const values = list as unknown[];
  for (let at = 0; at < values.length; at++) values[at] = untag(values[at], attachments);
  return values;
}

function untagTagged(record: JsonObject, attachments: Attachments): unknown {
  const { $: tag, v } = record;
  switch (tag) {
    case "undefined":
      return undefined;
    case "number":
      return Number(v);
    case "bigint":
      return BigInt(v as string);
    case "date":
      return new Date(v === null ? Number.NaN : (v as number));
    case "map":
      return new Map(untagList(v, attachments) as [unknown, unknown][]);
    case "set":
      return new Set(untagList(v, attachments));
    case "record": {
      const plain: JsonObject = {};
      for (const [key, value] of v as [string, unknown][]) define(plain, key, untag(value, attachments));
      return plain;
    }
    case "bytes":
      return untagBytes(record, attachments);
    default:
      throw new TypeError("an unknown tag");
  }
}

function untagBytes({ t: name, o: offset, n: length }: JsonObject, { bytes, isLent }: Attachments): unknown {
  if (!isCount(offset) || !isCount(length) || offset + length > bytes.byteLength) {
    throw new RangeError("an attachment is cut short");
  }
  const start = bytes.byteOffset + offset;
  const memory = bytes.buffer as ArrayBuffer;
  if (name === "ArrayBuffer") return memory.slice(start, start + length);
  if (typeof name !== "string" || !Object.hasOwn(VIEWS, name)) throw new TypeError("an unknown kind of bytes");
  const View = VIEWS[name as ViewName];
  if (length % View.BYTES_PER_ELEMENT !== 0) throw new RangeError("an attachment of odd length");
  if (isLent && start % ALIGNMENT === 0) return new View(memory, start, length / View.BYTES_PER_ELEMENT);
  return new View(memory.slice(start, start + length));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function define(record: JsonObject, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  else record[key] = value;
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function paddingAfter(length: number): Uint8Array[] {
  const missing = aligned(length) - length;
  return missing === 0 ? [] : [PADDING.subarray(0, missing)];
}
