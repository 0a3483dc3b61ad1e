/**
 * Reads HTTP/1.1 answers from the bytes of one connection, strictly enough that a broken server is not taken for a fast
 * one. Requests and answers take turns, so there is one answer at a time.
 *
 *     head ─▶ (1xx: head again) ─▶ length | chunk size ⇄ chunk ─▶ trailer | until close ─▶ done
 *                      any ─▶ broken: what came is no HTTP, and nothing more is read from this connection
 */

/** What is told of an answer, in this order. */
export interface AnswerListener {
  onHead(status: number, head: AnswerHead): void;
  /** Some of the body. The bytes are only lent. */
  onBody(bytes: Uint8Array): void;
}

/** Headers of an answer, looked up when asked for: most loads never do. */
export class AnswerHead {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The value of a header, given in lower case; undefined without. */
  get(name: string): string | undefined {
    for (const line of this.#text.split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      if (line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
    }
    return undefined;
  }
}

/** Where an answer is after some bytes. */
export type AnswerProgress = "more" | "done" | "broken";

type Phase = "head" | "length" | "size" | "chunk" | "chunkEnd" | "trailer" | "untilClose" | "done" | "broken";

const MOST_HEAD_BYTES = 64 * 1024;
const MOST_LINE_BYTES = 4 * 1024;
const CRLF = Buffer.from("\r\n");
const HEAD_END = Buffer.from("\r\n\r\n");
const NOTHING = Buffer.alloc(0);

/** Reads one answer after the other; see the head of this file. */
export class AnswerParser {
  #phase: Phase = "done";
  #listener: AnswerListener | undefined;
  #isHead = false;
  #keepsAlive = true;
  #hasHead = false;
  #remainingBytes = 0;
  /** The beginning of a head or of a line whose end has not come. */
  #held: Buffer = NOTHING;

  /** Whether the connection may carry another request after this answer. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** Whether the present answer has begun. */
  get hasHead(): boolean {
    return this.#hasHead;
  }

  /** Expects the next answer. */
  begin(listener: AnswerListener, isHead: boolean): void {
    this.#listener = listener;
    this.#isHead = isHead;
    this.#phase = "head";
    this.#keepsAlive = true;
    this.#hasHead = false;
  }

  /** Takes the next bytes of the connection. Bytes that nobody asked for are broken. */
  push(bytes: Buffer): AnswerProgress {
    let rest = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = NOTHING;
    while (rest.byteLength > 0) {
      const used = this.#step(rest);
      if (used < 0) {
        this.#held = Buffer.from(rest);
        break;
      }
      if (this.#phase === "broken") return "broken";
      rest = rest.subarray(used);
    }
    return this.#phase === "done" || this.#phase === "broken" ? this.#phase : "more";
  }

  /** The connection ended: done where that is how the body ends, else broken. */
  close(): AnswerProgress {
    if (this.#phase === "untilClose") this.#phase = "done";
    else if (this.#phase !== "done") this.#phase = "broken";
    return this.#phase;
  }

  /** Uses up some bytes and says how many; below 0: the end of a line is missing. */
  #step(bytes: Buffer): number {
    switch (this.#phase) {
      case "head":
        return this.#readHead(bytes);
      case "length":
      case "chunk":
        return this.#readCounted(bytes);
      case "untilClose":
        this.#listener?.onBody(bytes);
        return bytes.byteLength;
      case "size":
      case "chunkEnd":
      case "trailer":
        return this.#readLine(bytes);
      case "done":
      case "broken":
        this.#phase = "broken";
        return 0;
    }
  }

  #readHead(bytes: Buffer): number {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0 || end > MOST_HEAD_BYTES) {
      if (end < 0 && bytes.byteLength <= MOST_HEAD_BYTES) return -1;
      this.#phase = "broken";
      return 0;
    }
    const text = bytes.toString("latin1", 0, end);
    const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?(?:\r\n|$)/.exec(text)?.[1];
    // 101 changes the protocol, and a load speaks no other.
    if (status === undefined || status === "101") this.#phase = "broken";
    else if (status >= "200") this.#openBody(Number(status), text);
    return end + HEAD_END.byteLength;
  }

  #openBody(status: number, text: string): void {
    const framing = readFraming(text);
    if (framing === undefined) {
      this.#phase = "broken";
      return;
    }
    const { length, isChunked, isClose } = framing;
    this.#hasHead = true;
    this.#keepsAlive = !isClose;
    this.#remainingBytes = length ?? 0;
    if (this.#isHead || status === 204 || status === 304 || (length === 0 && !isChunked)) this.#phase = "done";
    else if (isChunked) this.#phase = "size";
    else this.#phase = length === undefined ? "untilClose" : "length";
    if (this.#phase === "untilClose") this.#keepsAlive = false;
    this.#listener?.onHead(status, new AnswerHead(text));
  }

  #readCounted(bytes: Buffer): number {
    const part = bytes.subarray(0, this.#remainingBytes);
    this.#remainingBytes -= part.byteLength;
    if (this.#remainingBytes === 0) this.#phase = this.#phase === "length" ? "done" : "chunkEnd";
    this.#listener?.onBody(part);
    return part.byteLength;
  }

  #readLine(bytes: Buffer): number {
    const end = bytes.indexOf(CRLF);
    if (end < 0 && bytes.byteLength <= MOST_LINE_BYTES) return -1;
    if (end < 0 || !this.#takeLine(bytes.toString("latin1", 0, end))) this.#phase = "broken";
    return Math.max(0, end) + CRLF.byteLength;
  }

  /** False: the line is wrong here. */
  #takeLine(line: string): boolean {
    if (this.#phase === "chunkEnd") {
      this.#phase = "size";
      return line === "";
    }
    if (this.#phase === "trailer") {
      if (line === "") this.#phase = "done";
      return true;
    }
    const size = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(line)?.[1];
    this.#remainingBytes = Number.parseInt(size ?? "", 16);
    this.#phase = this.#remainingBytes === 0 ? "trailer" : "chunk";
    return size !== undefined;
  }
}

type Framing = { readonly length: number | undefined; readonly isChunked: boolean; readonly isClose: boolean };

/** How a body ends, by the headers; undefined where they contradict each other. */
function readFraming(text: string): Framing | undefined {
  let length: number | undefined;
  let isChunked = false;
  let isClose = text.startsWith("HTTP/1.0");
  let at = text.indexOf("\r\n");
  while (at >= 0) {
    const start = at + 2;
    at = text.indexOf("\r\n", start);
    const colon = text.indexOf(":", start);
    if (colon < 0 || (at >= 0 && colon > at)) return undefined;
    // Three names matter, and they differ in length: the others are not even compared.
    const nameLength = colon - start;
    if (nameLength !== 10 && nameLength !== 14 && nameLength !== 17) continue;
    const name = text.slice(start, colon).toLowerCase();
    const value = text.slice(colon + 1, at < 0 ? undefined : at).trim();
    if (name === "connection") isClose = isClose ? !/keep-alive/i.test(value) : /close/i.test(value);
    if (name === "transfer-encoding") {
      if (value.toLowerCase() !== "chunked" || isChunked) return undefined;
      isChunked = true;
    }
    if (name === "content-length") {
      if (!/^\d{1,15}$/.test(value) || length !== undefined) return undefined;
      length = Number(value);
    }
  }
  return isChunked && length !== undefined ? undefined : { length, isChunked, isClose };
}
