import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_HEADER_BYTES } from "../../../../core/limits.ts";
import { RequestParser, type ChunkedParser, type Head } from "../../../../proxy/llhttp/parser.ts";

const GET = "GET /a?b HTTP/1.1\r\nHost: x\r\n";
const CHUNKED = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKS = "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: z\r\n\r\n";

function headOf(parser: RequestParser, text: string): Head {
  const head = parser.parseHead(Buffer.from(text, "latin1"));
  assert.ok(head?.kind === "head", text);
  return head;
}

function codeOf(parser: RequestParser, text: string): string {
  const head = parser.parseHead(Buffer.from(text, "latin1"));
  assert.ok(head?.kind === "failure", text);
  return head.error.code;
}

/** All of a chunked body whose bytes come in these pieces, and how many of the last piece's bytes were left. */
function readChunked(chunked: ChunkedParser, pieces: readonly string[]): { data: string; leftBytes: number } {
  let data = "";
  for (const piece of pieces) {
    let bytes = Buffer.from(piece, "latin1");
    while (bytes.length > 0) {
      const part = chunked.feed(bytes);
      assert.equal(part.error, undefined);
      data += part.data?.toString("latin1") ?? "";
      bytes = bytes.subarray(part.consumedBytes);
      if (part.isEnd) return { data, leftBytes: bytes.length };
    }
  }
  throw new Error("the body did not end");
}

test("a head is understood wherever its bytes end, and not before they are all there", () => {
  const parser = new RequestParser();
  const text = `${GET}X-Empty:\r\nX-Blank:  caf\u00e9 \t\r\nContent-Length: 3\r\nConnection: close\r\n\r\n`;
  const bytes = Buffer.from(`${text}abcGET /next`, "latin1");
  for (let end = 0; end < text.length; end++) assert.equal(parser.parseHead(bytes.subarray(0, end)), undefined);
  const { kind, ...head } = headOf(parser, bytes.toString("latin1"));
  assert.equal(kind, "head");
  assert.deepEqual(head, {
    method: "GET",
    url: "/a?b",
    headers: ["Host", "x", "X-Empty", "", "X-Blank", "caf\u00e9", "Content-Length", "3", "Connection", "close"],
    isHttp10: false,
    isKeepAlive: false,
    upgrade: undefined,
    expects: "nothing",
    bodyLength: 3,
    bytes: text.length,
  });
});

test("every method has its name", () => {
  const parser = new RequestParser();
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "M-SEARCH", "CONNECT"]) {
    assert.equal(headOf(parser, `${method} ${method === "CONNECT" ? "a:1" : "/"} HTTP/1.1\r\n\r\n`).method, method);
  }
});

test("what other protocols call a request is none", () => {
  const parser = new RequestParser();
  for (const line of [
    "OPTIONS * RTSP/1.0",
    "SOURCE / ICE/1.0",
    "GET / HTTP/2.0",
    "GET / HTTP/0.9",
    "GET /  HTTP/1.1",
    "GET /",
  ]) {
    assert.equal(codeOf(parser, `${line}\r\nHost: x\r\n\r\n`), "invalid_request", line);
  }
});

test("headers that frame a body more than once, or otherwise than in chunks, are refused", () => {
  const parser = new RequestParser();
  for (const headers of [
    "Content-Length: 1\r\nContent-Length: 1",
    "Content-Length: 1\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding:",
    "Content-Length:",
    "Content-Length: 1 1",
  ]) {
    assert.equal(codeOf(parser, `${GET}${headers}\r\n\r\n`), "invalid_request", headers);
  }
});

test("a head of exactly the most bytes is understood, one more is too large", () => {
  const parser = new RequestParser();
  const filled = (bytes: number): string => {
    const rest = "X: \r\n\r\n";
    return `${GET}X: ${"y".repeat(bytes - GET.length - rest.length)}\r\n\r\n`;
  };
  assert.equal(headOf(parser, `${filled(MOST_HEADER_BYTES)}rest`).bytes, MOST_HEADER_BYTES);
  assert.equal(codeOf(parser, filled(MOST_HEADER_BYTES + 1)), "headers_too_large");
  assert.equal(codeOf(parser, filled(2 * MOST_HEADER_BYTES)), "headers_too_large");
});

test("an upgrade is seen where both headers ask for it and no body follows", () => {
  const parser = new RequestParser();
  const upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
  assert.equal(headOf(parser, `${GET}${upgrade}\r\n`).upgrade, "websocket");
  assert.equal(headOf(parser, `${GET}Upgrade: websocket\r\n\r\n`).upgrade, undefined);
  assert.equal(headOf(parser, `${GET}${upgrade}Content-Length: 0\r\n\r\n`).upgrade, undefined);
});

test("a chunked body is the same however its bytes are cut, and what follows is left", () => {
  const parser = new RequestParser();
  for (let cut = 0; cut < CHUNKS.length; cut++) {
    headOf(parser, CHUNKED);
    const pieces = [CHUNKS.slice(0, cut), `${CHUNKS.slice(cut)}GET`];
    assert.deepEqual(readChunked(parser.takeChunked(), pieces), { data: "hello", leftBytes: 3 });
  }
});

test("a chunk of more than one read's bytes is whole", () => {
  const parser = new RequestParser();
  headOf(parser, CHUNKED);
  const chunk = "y".repeat(200_000);
  const pieces = [`${chunk.length.toString(16)}\r\n${chunk}\r\n0\r\n\r\n`];
  assert.deepEqual(readChunked(parser.takeChunked(), pieces), { data: chunk, leftBytes: 0 });
});

test("chunked bodies of many connections do not disturb each other, nor heads between them", () => {
  const parser = new RequestParser();
  // So many that llhttp's memory must grow, which leaves earlier views of it dead.
  const bodies = Array.from({ length: 3_000 }, () => {
    headOf(parser, CHUNKED);
    return parser.takeChunked();
  });
  let data = Array.from(bodies, () => "");
  for (const byte of CHUNKS) {
    data = bodies.map((chunked, i) => data[i] + (chunked.feed(Buffer.from(byte)).data?.toString() ?? ""));
    assert.equal(headOf(parser, `${GET}\r\n`).url, "/a?b");
  }
  assert.deepEqual(new Set(data), new Set(["hello"]));
  // A second round uses the parsers that were given back.
  headOf(parser, CHUNKED);
  assert.equal(readChunked(parser.takeChunked(), [CHUNKS]).data, "hello");
});

test("what is between the data of chunks is bounded, also in small pieces", () => {
  const parser = new RequestParser();
  const fill = (start: string, piece: string): string | undefined => {
    headOf(parser, CHUNKED);
    const chunked = parser.takeChunked();
    for (let part = chunked.feed(Buffer.from(start)), fed = 0; fed <= 2 * MOST_HEADER_BYTES; fed += piece.length) {
      if (part.error !== undefined) return part.error.code;
      part = chunked.feed(Buffer.from(piece));
    }
    return undefined;
  };
  assert.equal(fill("1;a=", "b".repeat(100)), "invalid_request");
  assert.equal(fill("0\r\n", "X-Trailer: zzz\r\n"), "headers_too_large");
});

test("trailers that would change what becomes of the connection are refused", () => {
  const parser = new RequestParser();
  headOf(parser, CHUNKED);
  const part = parser.takeChunked().feed(Buffer.from("1\r\na\r\n0\r\nConnection: close\r\n\r\n"));
  assert.equal(part.error?.code, "invalid_request");
});
