import type { Random } from "../../core/random.ts";

/** What a generated client sends: pieces, each a write of its own. */
export type RequestBytes = readonly Buffer[];

const METHODS = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "GET", "POST", "POST"];
const ODD_METHODS = ["CONNECT", "PRI", "BREW", "get", "TRACE", "M-SEARCH", "SOURCE", "G ET", ""];
const TARGETS = ["/", "/a", "/a/b?c=d&e", "//a", "/%00", "/a%2fb"];
const ODD_TARGETS = ["*", "a", "http://127.0.0.1:9/x", "http://", "/a b", "/\x80\xff", "/\x7f", "/#a", "?", "/\t", ""];
const ODD_VERSIONS = [
  "HTTP/1.0",
  "HTTP/1.0",
  "HTTP/1.2",
  "HTTP/2.0",
  "HTTP/0.9",
  "HTTP/1.",
  "http/1.1",
  "HTTP/1.1 ",
  "",
];
const HEADERS = [
  "Accept: */*",
  "X-A: b",
  "X-A:b",
  "X-Empty:",
  "x-lower: C, D",
  "Cookie: a=b; c=d",
  "Connection: keep-alive",
  "Connection: close",
  "X-Latin: caf\xe9",
  "Content-Type: application/json",
  "TE: trailers",
];
const ODD_HEADERS = [
  "Host: again",
  "Connection: keep-alive, close",
  "Connection: upgrade",
  "Upgrade: h2c",
  "Connection: Upgrade\r\nUpgrade: h2c",
  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA",
  "Proxy-Connection: keep-alive",
  "Expect: 100-continue",
  "Expect: banana",
  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: 5, 5",
  "Content-Length: +5",
  "Content-Length: -5",
  "Content-Length: 5 ",
  "Content-Length: 05",
  "Content-Length: 0x5",
  "Content-Length: 99999999999999999999",
  "Content-Length:",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: Chunked",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:\tchunked",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding",
  ": x",
  " X: y",
  "X Y: z",
  "X\0: y",
  "X: \0",
  "X: \x7f",
  "X: a\rb",
  "X: a\n b",
  "X: a\r\n b",
  "(x): y",
];
const ODD_SIZES = [
  "0x5",
  "+5",
  "-5",
  " 5",
  "5 ",
  "5;",
  "5;a",
  "5;a=b",
  '5;a="b\\""',
  "05",
  "0000005",
  "5;a\0",
  "g",
  "",
  "ffffffffffffffff",
  "5\t",
  "5;a=b;c",
];
const NASTY = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "\x0b",
  "\x0c",
  "\x7f",
  "\x80",
  "\xff",
  "0",
  "5",
  "a",
];

/**
 * Bytes that are requests, or nearly: mostly from the grammar, some of them with what parsers are known to disagree over,
 * then changed at random places, and cut into pieces.
 */
export function requestBytes(random: Random): RequestBytes {
  const draw = new Draw(random);
  const count = draw.isLikely(0.6) ? 1 : 1 + draw.below(3);
  let text = "";
  for (let i = 0; i < count; i++) text += request(draw, count === 1);
  const changes = draw.isLikely(0.65) ? 0 : 1 + draw.below(2);
  for (let i = 0; i < changes; i++) text = change(draw, text);
  return cut(draw, Buffer.from(text, "latin1"));
}

function request(draw: Draw, isOnly: boolean): string {
  const method = draw.isLikely(0.97) ? draw.of(METHODS) : draw.of(ODD_METHODS);
  const target = draw.isLikely(0.95) ? draw.of(TARGETS) : draw.of(ODD_TARGETS);
  const version = draw.isLikely(0.93) ? "HTTP/1.1" : draw.of(ODD_VERSIONS);
  const headers = draw.isLikely(0.98) ? ["Host: x"] : [];
  for (let left = draw.below(4); left > 0; left--) headers.push(draw.of(HEADERS));
  if (draw.isLikely(0.2)) headers.push(draw.of(ODD_HEADERS));
  if (isOnly && draw.isLikely(0.02)) headers.push("Connection: upgrade", "Upgrade: websocket");
  if (draw.isLikely(0.005)) for (let i = 0; i < 120; i++) headers.push(`X-${i}: y`);
  if (draw.isLikely(0.005)) headers.push(`X-Long: ${"y".repeat(12_000 + draw.below(8_000))}`);
  let body = "";
  if (draw.isLikely(0.3)) {
    body = "hello, world".slice(0, draw.below(12));
    const declared = draw.isLikely(0.97) ? body.length : draw.below(20);
    headers.splice(draw.below(headers.length + 1), 0, `Content-Length: ${declared}`);
  } else if (draw.isLikely(0.4)) {
    body = chunks(draw);
    headers.splice(draw.below(headers.length + 1), 0, "Transfer-Encoding: chunked");
  }
  return `${method} ${target} ${version}\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n${body}`;
}

function chunks(draw: Draw): string {
  let text = "";
  for (let left = draw.below(3); left > 0; left--) {
    const data = "hello, world".slice(0, 1 + draw.below(11));
    const size = data.length.toString(16);
    if (draw.isLikely(0.93)) text += `${draw.isLikely(0.5) ? size : size.toUpperCase()}\r\n${data}\r\n`;
    else text += `${draw.of(ODD_SIZES)}\r\nhello${draw.of(["\r\n", "\n", "", "\r", "\r\n"])}`;
  }
  text += draw.isLikely(0.95) ? "0\r\n" : draw.of(["0", "00\r\n", "0;a=b\r\n", "0\n", "0 \r\n", "0x0\r\n"]);
  if (draw.isLikely(0.1)) text += `${draw.of(["X-Trailer: a", "Content-Length: 3", "Bad", "X: \0", " X: y"])}\r\n`;
  return `${text}\r\n`;
}

function change(draw: Draw, text: string): string {
  const at = draw.below(text.length + 1);
  const lines = text.split("\r\n");
  switch (draw.below(9)) {
    case 0:
      return text.slice(0, at) + draw.of(NASTY) + text.slice(at);
    case 1:
      return text.slice(0, at) + String.fromCharCode(draw.below(256)) + text.slice(at + 1);
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + draw.below(4));
    case 3:
      return text.slice(0, at);
    case 4:
      return replaceOne(draw, text, "\r\n", ["\n", "\r", "\n\r", "\r\r\n", "\r\n\r\n", "\r\n ", ""]);
    case 5:
      return replaceOne(draw, text, ":", [" :", ":\t", "::", "", ": ,", ":\0"]);
    case 6: {
      const line = lines[draw.below(lines.length)] ?? "";
      lines.splice(draw.below(lines.length + 1), 0, line);
      return lines.join("\r\n");
    }
    case 7: {
      const from = draw.below(lines.length);
      const [line = ""] = lines.splice(from, 1);
      lines.splice(draw.below(lines.length + 1), 0, line);
      return lines.join("\r\n");
    }
    default:
      return text.slice(0, at) + draw.of(ODD_HEADERS) + text.slice(at);
  }
}

function replaceOne(draw: Draw, text: string, found: string, instead: readonly string[]): string {
  const parts = text.split(found);
  if (parts.length === 1) return text;
  const at = 1 + draw.below(parts.length - 1);
  return parts.slice(0, at).join(found) + draw.of(instead) + parts.slice(at).join(found);
}

function cut(draw: Draw, bytes: Buffer): RequestBytes {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let left = draw.isLikely(0.5) ? 0 : draw.below(4); left > 0 && from < bytes.length; left--) {
    const to = from + 1 + draw.below(bytes.length - from);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  if (from < bytes.length) pieces.push(bytes.subarray(from));
  return pieces;
}

class Draw {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A whole number from 0 to one less than `bound`. */
  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  isLikely(probability: number): boolean {
    return this.#random.next() < probability;
  }

  of<T>(values: readonly [T, ...T[]] | readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error("nothing to draw from");
    return value;
  }
}
