/**
 * Understands requests by llhttp. One instance serves all connections of a front:
 *
 *     parseHead ── whole head ──▶ Head ── chunked? ──▶ takeChunked() ── feed() … ──▶ end of the body
 *         └─ not all there ─▶ undefined: called again with more bytes, from the head's start
 *
 * A head is always parsed from its first byte in one call, so that no state is kept between calls and every span lies in
 * the bytes at hand; it has at most 16 KB, so parsing it again when it comes in pieces costs no more than reading them.
 * llhttp decides what is a valid head and how a chunked body is framed, strictly. Ours are the limits, the counting of
 * declared lengths, and a second look at what frames a body: what is ambiguous is refused.
 *
 * Callbacks run inside `llhttp_execute` and only note offsets: executing another parser from there, which code of a
 * handler might come to, would overwrite them. The shared input lies in llhttp's memory; when that grows, views of it die.
 */
import { HttpRequestError, InvalidRequestError, type ServeError } from "../../core/error.ts";
import { MOST_HEADER_BYTES, MOST_HEADERS } from "../../core/limits.ts";
import { instantiateLlhttp, methodNames, type Llhttp, type LlhttpCallbacks } from "./wasm.ts";

/** A request's head, understood. */
export type Head = {
  readonly kind: "head";
  readonly method: string;
  /** As it came: a path, or an absolute URL. */
  readonly url: string;
  /** Names and values by turns, as they came. */
  readonly headers: readonly string[];
  readonly isHttp10: boolean;
  readonly isKeepAlive: boolean;
  /** The protocol it asks to go on with, in lower case; none where it has a body. */
  readonly upgrade: string | undefined;
  readonly expects: "nothing" | "continue" | "unknown";
  /** undefined: chunked. */
  readonly bodyLength: number | undefined;
  /** Bytes of the head itself. */
  readonly bytes: number;
};

/** Bytes that are no request. */
export type HeadFailure = { readonly kind: "failure"; readonly error: ServeError };

/** What some bytes of a chunked body held. */
export type ChunkedPart = {
  readonly data: Buffer | undefined;
  readonly consumedBytes: number;
  readonly isEnd: boolean;
  readonly error: ServeError | undefined;
};

/** One read of a socket at most; longer input is parsed in several calls. */
const INPUT_BYTES = 64 * 1024;
/** Unused parsers that are kept for the next chunked bodies; each has some 100 bytes. */
const MOST_IDLE_PARSERS = 1_024;
const REQUEST = 1;
/** Return codes of llhttp; the last one is left to callbacks for refusals of their own. */
const OK = 0;
const PAUSED = 21;
const REFUSED = 24;
const DIGIT_ZERO = 48;
/** Makes a letter a small one. */
const LOWER = 32;
const TAB = 9;
const CONNECTION_LENGTH = "connection".length;
const LETTER_C = 99;
const LETTER_E = 101;
const LETTER_T = 116;
const LETTER_U = 117;

/** What the callbacks of one call noted. Offsets count from the first byte that was given. */
class Findings implements LlhttpCallbacks {
  /** Address of the first byte. */
  origin = 0;
  urlStart = 0;
  urlEnd = 0;
  headerCount = 0;
  /** Start and end of a header's name, start and end of its value. One more than may be, so that too many are noticed. */
  readonly spans = new Int32Array(4 * (MOST_HEADERS + 1));
  isUpgrade = false;
  isKeepAlive = false;
  isHeadComplete = false;
  isMessageComplete = false;
  isTrailing = false;
  /** Starts and ends of pieces of a chunked body. */
  readonly body: number[] = [];
  /** Where the bytes began that are no data: sizes, extensions, trailers; negative if in an earlier call. */
  gapStart = 0;

  reset(isHeadComplete: boolean, gapStart: number): void {
    this.headerCount = 0;
    this.isHeadComplete = isHeadComplete;
    this.isMessageComplete = false;
    this.isTrailing = false;
    this.body.length = 0;
    this.gapStart = gapStart;
  }

  onUrl(address: number, bytes: number): number {
    this.urlStart = address - this.origin;
    this.urlEnd = this.urlStart + bytes;
    return OK;
  }

  onHeaderName(address: number, bytes: number): number {
    if (this.isHeadComplete) this.isTrailing = true;
    else if (this.headerCount <= MOST_HEADERS) {
      const at = this.headerCount * 4;
      this.spans[at] = address - this.origin;
      this.spans[at + 1] = address - this.origin + bytes;
    }
    return OK;
  }

  onHeaderValue(address: number, bytes: number): number {
    if (this.isHeadComplete || this.headerCount > MOST_HEADERS) return OK;
    const at = this.headerCount * 4;
    this.spans[at + 2] = address - this.origin;
    this.spans[at + 3] = address - this.origin + bytes;
    this.headerCount++;
    return OK;
  }

  onHeadersComplete(isUpgrade: boolean, isKeepAlive: boolean): number {
    this.isHeadComplete = true;
    this.isUpgrade = isUpgrade;
    this.isKeepAlive = isKeepAlive;
    return PAUSED;
  }

  onBody(address: number, bytes: number): number {
    const start = address - this.origin;
    if (start - this.gapStart > MOST_HEADER_BYTES) return REFUSED;
    this.body.push(start, start + bytes);
    this.gapStart = start + bytes;
    return OK;
  }

  onMessageComplete(): number {
    this.isMessageComplete = true;
    return PAUSED;
  }
}

/** The parser of a front; see the head of this file. */
export class RequestParser {
  readonly #llhttp: Llhttp;
  readonly #methods = methodNames();
  readonly #findings = new Findings();
  /** A view of llhttp's memory, at `findings.origin`. */
  #input: Uint8Array;
  /** Reads heads; a chunked body that goes on takes it along. */
  #current: number;
  readonly #idle: number[] = [];

  /** @throws {Error} when the installed undici is not the one this was written for. */
  constructor() {
    this.#llhttp = instantiateLlhttp(this.#findings);
    this.#findings.origin = this.#llhttp.malloc(INPUT_BYTES);
    this.#current = this.#allocate();
    this.#input = this.#view();
  }

  /** Reads the head that begins with the first byte. undefined: it is not all there. */
  parseHead(bytes: Buffer): Head | HeadFailure | undefined {
    const findings = this.#findings;
    const length = Math.min(bytes.length, MOST_HEADER_BYTES);
    findings.reset(false, 0);
    this.#llhttp.llhttp_reset(this.#current);
    const code = this.#execute(this.#current, bytes, length);
    if (findings.isHeadComplete && code === PAUSED) return this.#head(bytes, this.#position(this.#current));
    if (code !== OK) return failure(malformed());
    if (length < MOST_HEADER_BYTES) return undefined;
    const text = `the request's head has more than ${MOST_HEADER_BYTES} bytes`;
    return failure(new HttpRequestError("headers_too_large", text));
  }

  /** For a request whose head was just parsed, and is chunked. */
  takeChunked(): ChunkedParser {
    const parser = this.#current;
    const { isKeepAlive } = this.#findings;
    this.#current = this.#idle.pop() ?? this.#allocate();
    this.#llhttp.llhttp_resume(parser);
    return new ChunkedParser(
      (bytes, gapBytes) => {
        const part = this.#feed(parser, bytes, gapBytes);
        // Trailers that speak of the connection belong in the head; obeyed or not, somebody would take it otherwise.
        const isChanged = part.isEnd && isKeepAlive && this.#llhttp.llhttp_should_keep_alive(parser) === 0;
        return isChanged ? { ...part, error: malformed() } : part;
      },
      () => this.#release(parser),
    );
  }

  #feed(parser: number, bytes: Buffer, gapBytes: number): ChunkedPart & { readonly gapBytes: number } {
    const findings = this.#findings;
    const length = Math.min(bytes.length, INPUT_BYTES);
    findings.reset(true, -gapBytes);
    const code = this.#execute(parser, bytes, length);
    const isEnd = findings.isMessageComplete && code === PAUSED;
    const consumedBytes = isEnd ? this.#position(parser) : length;
    const gap = consumedBytes - findings.gapStart;
    let error: ServeError | undefined;
    if (code !== OK && !isEnd) error = malformed();
    else if (gap > MOST_HEADER_BYTES) error = findings.isTrailing ? trailersTooLarge() : malformed();
    return { data: joined(bytes, findings.body), consumedBytes, isEnd, error, gapBytes: gap };
  }

  #head(bytes: Buffer, headBytes: number): Head | HeadFailure {
    const { spans, headerCount, urlStart, urlEnd, isUpgrade, isKeepAlive } = this.#findings;
    const text = bytes.toString("latin1", 0, headBytes);
    // llhttp also knows RTSP, ICE, other versions, and more than one space here.
    if (!text.startsWith(" HTTP/1.", urlEnd)) return failure(malformed());
    const headers: string[] = [];
    const special = new SpecialHeaders();
    for (let at = 0; at < headerCount * 4; at += 4) {
      const nameStart = spans[at] ?? 0;
      const nameEnd = spans[at + 1] ?? 0;
      const valueStart = spans[at + 2] ?? 0;
      let valueEnd = spans[at + 3] ?? 0;
      // undici's llhttp does not see a token that a tab follows, where Node's own by now does.
      if (nameEnd - nameStart === CONNECTION_LENGTH && hasTab(text, valueStart, valueEnd)) {
        special.isClose ||= isClose(text.substring(nameStart, valueEnd));
      }
      while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--;
      const name = text.substring(nameStart, nameEnd);
      const value = text.substring(valueStart, valueEnd);
      headers.push(name, value);
      if (mayBeSpecial(nameEnd - nameStart, text.charCodeAt(nameStart) | LOWER)) special.note(name, value);
    }
    if (special.isAmbiguous) return failure(malformed());
    return {
      kind: "head",
      method: this.#methods[this.#llhttp.llhttp_get_method(this.#current)] ?? "",
      url: text.substring(urlStart, urlEnd),
      headers,
      isHttp10: text.charCodeAt(urlEnd + 8) === DIGIT_ZERO,
      isKeepAlive: isKeepAlive && !special.isClose,
      upgrade: isUpgrade && !special.isFramed ? special.upgrade : undefined,
      expects: special.expects,
      bodyLength: special.isChunked ? undefined : special.length,
      bytes: headBytes,
    };
  }

  #execute(parser: number, bytes: Buffer, length: number): number {
    // Memory that has grown leaves views of what it was, without length.
    if (this.#input.byteLength === 0) this.#input = this.#view();
    this.#input.set(length === bytes.length ? bytes : bytes.subarray(0, length));
    return this.#llhttp.llhttp_execute(parser, this.#findings.origin, length);
  }

  /** Where it stopped, from the first byte given. */
  #position(parser: number): number {
    return this.#llhttp.llhttp_get_error_pos(parser) - this.#findings.origin;
  }

  #allocate(): number {
    return this.#llhttp.llhttp_alloc(REQUEST);
  }

  #release(parser: number): void {
    if (this.#idle.length < MOST_IDLE_PARSERS) this.#idle.push(parser);
    else this.#llhttp.llhttp_free(parser);
  }

  #view(): Uint8Array {
    return new Uint8Array(this.#llhttp.memory.buffer, this.#findings.origin, INPUT_BYTES);
  }
}

type Feed = (bytes: Buffer, gapBytes: number) => ChunkedPart & { readonly gapBytes: number };

/** One chunked body; holds a parser of its own until it ends or is closed. */
export class ChunkedParser {
  readonly #feed: Feed;
  readonly #release: () => void;
  #gapBytes = 0;
  #isOpen = true;

  constructor(feed: Feed, release: () => void) {
    this.#feed = feed;
    this.#release = release;
  }

  /** Reads on; `consumedBytes` may be less than was given, also where the body goes on. */
  feed(bytes: Buffer): ChunkedPart {
    const part = this.#feed(bytes, this.#gapBytes);
    this.#gapBytes = part.gapBytes;
    if (part.isEnd || part.error !== undefined) this.close();
    return part;
  }

  /** Gives its parser back. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#release();
  }
}

/** What the headers that mean something to a connection say, taken together. */
class SpecialHeaders {
  length = 0;
  isChunked = false;
  isAmbiguous = false;
  isClose = false;
  expects: Head["expects"] = "nothing";
  upgrade: string | undefined;
  isFramed = false;

  note(name: string, value: string): void {
    switch (name.toLowerCase()) {
      case "content-length":
        this.length = Number(value);
        this.isAmbiguous ||= this.isFramed || !/^\d+$/.test(value);
        this.isFramed = true;
        break;
      case "transfer-encoding":
        this.isChunked = true;
        this.isAmbiguous ||= this.isFramed || value.toLowerCase() !== "chunked";
        this.isFramed = true;
        break;
      case "expect":
        if (value.toLowerCase() !== "100-continue") this.expects = "unknown";
        else if (this.expects === "nothing") this.expects = "continue";
        break;
      case "upgrade":
        this.upgrade = this.upgrade === undefined ? value.toLowerCase() : `${this.upgrade}, ${value.toLowerCase()}`;
        break;
    }
  }
}

function hasTab(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (text.charCodeAt(at) === TAB) return true;
  return false;
}

function isClose(header: string): boolean {
  return /^connection:(?:.*,)?[ \t]*close[ \t]*(?:,|$)/i.test(header);
}

/** By its length and first letter, because lower-casing every name of every request would be the dearest part of parsing. */
function mayBeSpecial(nameLength: number, firstLetter: number): boolean {
  switch (nameLength) {
    case 14:
      return firstLetter === LETTER_C;
    case 17:
      return firstLetter === LETTER_T;
    case 6:
      return firstLetter === LETTER_E;
    case 7:
      return firstLetter === LETTER_U;
    default:
      return false;
  }
}

/** Space or tab. */
function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** Pieces of a body as one, by reference where it is one. */
function joined(bytes: Buffer, pieces: readonly number[]): Buffer | undefined {
  if (pieces.length === 0) return undefined;
  if (pieces.length === 2) return bytes.subarray(pieces[0], pieces[1]);
  let length = 0;
  for (let at = 0; at < pieces.length; at += 2) length += (pieces[at + 1] ?? 0) - (pieces[at] ?? 0);
  const whole = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  for (let at = 0; at < pieces.length; at += 2) filled += bytes.copy(whole, filled, pieces[at], pieces[at + 1]);
  return whole;
}

function failure(error: ServeError): HeadFailure {
  return { kind: "failure", error };
}

function malformed(): ServeError {
  return new InvalidRequestError("these bytes are not a valid HTTP/1.1 request");
}

function trailersTooLarge(): ServeError {
  return new HttpRequestError("headers_too_large", `the request's trailers have more than ${MOST_HEADER_BYTES} bytes`);
}
