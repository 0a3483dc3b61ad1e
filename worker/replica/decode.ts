import { HttpRequestError, InvalidRequestError } from "../../core/error.ts";
import { MOST_JSON_DEPTH } from "../../core/limits.ts";
import { findJsonProblem } from "./json-problem.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * An HTTP body as the input of `predict`: JSON, or bytes where the content type is `application/octet-stream`.
 *
 * @throws {HttpRequestError} unsupported_media_type for any other content type.
 * @throws {InvalidRequestError} for a body that is not JSON, with the position.
 */
export function decodeBody(contentType: string, body: Uint8Array): unknown {
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  // A copy begins at offset 0, so that user code can look at it as floats.
  if (type === "application/octet-stream") return body.slice();
  if (type !== "" && type !== "application/json" && !type.endsWith("+json")) {
    throw new HttpRequestError(
      "unsupported_media_type",
      `content-type ${type} is not understood here; send application/json or application/octet-stream`,
    );
  }
  return decodeJson(body);
}

function decodeJson(body: Uint8Array): unknown {
  if (body.byteLength === 0) throw new InvalidRequestError("the body is empty; send a JSON value");
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    // What the decoder throws says no more than this.
    throw new InvalidRequestError("the body is not valid UTF-8; send JSON in UTF-8");
  }
  // Depth first: parsing a million brackets takes long, and what it builds is a trap for recursive code.
  if (isSuspicious(body)) refuseProblem(text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The engine's message repeats the text; ours says where.
    refuseProblem(text);
    throw new InvalidRequestError("the body is not valid JSON");
  }
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
/** Digits beyond which a number may be too large to be finite; 1e308 written out has 309. */
const MOST_DIGITS = 300;

/**
 * Whether the text nests too deep or may hold a number that is not finite. One pass over the bytes, about a millisecond
 * a megabyte; nearly every body passes and is then parsed by the engine alone.
 */
function isSuspicious(body: Uint8Array): boolean {
  let depth = 0;
  let digits = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at] as number;
    if (byte >= 0x30 && byte <= 0x39) {
      if (++digits > MOST_DIGITS) return true;
      continue;
    }
    // `e` right after a digit is an exponent.
    if (digits > 0 && (byte | 0x20) === 0x65) return true;
    digits = 0;
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
