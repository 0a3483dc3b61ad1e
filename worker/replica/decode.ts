import { isUtf8 } from "node:buffer";
import { HttpRequestError, InvalidRequestError } from "../../core/error.ts";
import { MOST_JSON_DEPTH } from "../../core/limits.ts";
import { findJsonProblem } from "./json-problem.ts";

/** Not a part of JSON, but put in front of it by some editors. */
const BYTE_ORDER_MARK = 0xfeff;

/**
 * An HTTP body as the input of `predict`: JSON, or bytes where the content type is `application/octet-stream`.
 *
 * @param isOwn whether the body's memory begins at 0 and holds nothing else, so that user code may have it as it is.
 *
 * @throws {HttpRequestError} unsupported_media_type for any other content type.
 * @throws {InvalidRequestError} for a body that is not JSON, with the position.
 */
export function decodeBody(contentType: string, body: Uint8Array, isOwn = false): unknown {
  if (contentType === "application/json") return decodeJson(body);
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // A copy begins at offset 0, so that user code can look at it as floats.
  if (type === "application/octet-stream") return isOwn ? body : ownBytes(body);
  if (type !== "" && type !== "application/json" && !type.endsWith("+json")) {
    throw new HttpRequestError(
      "unsupported_media_type",
      `content-type ${type} is not understood here; send application/json or application/octet-stream`,
    );
  }
  return decodeJson(body);
}

/** Memory that begins at 0 and holds these bytes and nothing else; they are the receiver's to keep. */
function ownBytes(body: Uint8Array): Uint8Array {
  if (body.byteLength !== body.buffer.byteLength || !(body.buffer instanceof ArrayBuffer)) return new Uint8Array(body);
  return new Uint8Array(body.buffer);
}

function decodeJson(body: Uint8Array): unknown {
  if (body.byteLength === 0) throw new InvalidRequestError("the body is empty; send a JSON value");
  if (!isUtf8(body)) throw new InvalidRequestError("the body is not valid UTF-8; send JSON in UTF-8");
  const decoded = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  const text = decoded.charCodeAt(0) === BYTE_ORDER_MARK ? decoded.slice(1) : decoded;
  if (body.byteLength > MOST_UNSCANNED_BYTES && hasManyBrackets(text) && isTooDeep(body)) refuseProblem(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message repeats the text; ours says where.
    refuseProblem(text);
    throw new InvalidRequestError("the body is not valid JSON");
  }
  if (!isSound(value, 0)) refuseProblem(text);
  return value;
}

/** Parsing a million brackets takes long, so a long text is looked at before it is parsed; 8 KB of them take 2 ms. */
const MOST_UNSCANNED_BYTES = 8 * 1024;

/** Whether what was parsed nests no deeper than allowed, a trap for recursive code, and has numbers that are finite. */
function isSound(value: unknown, depth: number): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (depth >= MOST_JSON_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const element: unknown = value[at];
      if (typeof element === "number" ? !Number.isFinite(element) : !isSound(element, depth + 1)) return false;
    }
    return true;
  }
  for (const key in value) if (!isSound((value as Record<string, unknown>)[key], depth + 1)) return false;
  return true;
}

function refuseProblem(text: string): void {
  const problem = findJsonProblem(text);
  if (problem === undefined) return;
  const { position, message } = problem;
  throw new InvalidRequestError(`the body is not valid JSON: ${message}, at position ${position}`, {
    details: { problems: [{ path: "", message: `${message}, at position ${position}` }] },
  });
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether there are so many opening brackets that it may nest too deep; a list of a million numbers has one. */
function hasManyBrackets(text: string): boolean {
  let count = 0;
  for (const bracket of ["[", "{"]) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > MOST_JSON_DEPTH) return true;
    }
  }
  return false;
}

/** Whether the text nests too deep. One pass over the bytes, a few milliseconds a megabyte. */
function isTooDeep(body: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte === QUOTE) at = endOfString(body, at);
    // `[` and `{` differ from `]` and `}` by 2, and from each other by 0x20.
    else if ((byte | 0x20) === 0x7b && ++depth > MOST_JSON_DEPTH) return true;
    else if ((byte | 0x20) === 0x7d) depth--;
  }
  return false;
}

/** Index of the quote that closes the string which begins at `start`, or the last index without one. */
function endOfString(body: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}
