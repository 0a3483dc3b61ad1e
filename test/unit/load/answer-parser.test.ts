import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerParser, type AnswerProgress } from "../../../load/answer-parser.ts";

type Seen = { status: number; body: string; progress: AnswerProgress; keepsAlive: boolean };

/** Reads one answer from text that comes in pieces of so many bytes. */
function read(text: string, pieceBytes = 1_000_000, isHead = false): Seen {
  const parser = new AnswerParser();
  const seen: Seen = { status: 0, body: "", progress: "more", keepsAlive: true };
  parser.begin(
    { onHead: (status) => (seen.status = status), onBody: (bytes) => (seen.body += Buffer.from(bytes).toString()) },
    isHead,
  );
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length && seen.progress === "more"; at += pieceBytes) {
    seen.progress = parser.push(bytes.subarray(at, at + pieceBytes));
  }
  if (seen.progress === "more") seen.progress = parser.close();
  seen.keepsAlive = parser.keepsAlive;
  return seen;
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=1\r\ndefg\r\n0\r\nt: 1\r\n\r\n";

test("an answer is the same however its bytes are cut", () => {
  const whole = { status: 200, progress: "done", keepsAlive: true };
  for (const pieceBytes of [1, 2, 3, 7, 1_000]) {
    assert.deepEqual(read(CHUNKED, pieceBytes), { ...whole, body: "abcdefg" });
    assert.deepEqual(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", pieceBytes), {
      ...whole,
      body: "hello",
    });
  }
});

test("interim answers are passed over, and what has no body ends with its head", () => {
  assert.equal(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").status, 204);
  assert.equal(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 1_000, true).progress, "done");
  assert.equal(read("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n").progress, "done");
});

test("a body without a length ends with its connection, and one with a length does not", () => {
  const untilClose = read("HTTP/1.1 200 OK\r\n\r\nall of it");
  assert.deepEqual([untilClose.progress, untilClose.body, untilClose.keepsAlive], ["done", "all of it", false]);
  assert.equal(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell").progress, "broken");
  assert.equal(read(CHUNKED.slice(0, -4)).progress, "broken");
});

test("a connection is kept unless one side says otherwise", () => {
  const of = (head: string): boolean => read(`${head}\r\ncontent-length: 0\r\n\r\n`).keepsAlive;
  assert.equal(of("HTTP/1.1 200 OK\r\nConnection: close"), false);
  assert.equal(of("HTTP/1.0 200 OK"), false);
  assert.equal(of("HTTP/1.0 200 OK\r\nconnection: keep-alive"), true);
});

test("what is no HTTP is broken", () => {
  const wrong = [
    "SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
    `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`,
  ];
  for (const text of wrong) assert.equal(read(text).progress, "broken", text.slice(0, 80));
});
