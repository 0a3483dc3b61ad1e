import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FrontBed, type MakeFront } from "../fake/front-bed.ts";
import { httpFrontFlowCases } from "./http-front-flow.ts";
import { httpFrontPatienceCases } from "./http-front-patience.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n";
const POST = "POST / HTTP/1.1\r\nHost: x\r\n";
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n`;
const CLOSE = "Connection: close\r\n";

/** Bytes that are no request, or an ambiguous one: status, a problem body, and the connection is closed. */
const REFUSED: readonly (readonly [name: string, bytes: string | Uint8Array, status: number])[] = [
  [
    "content-length and transfer-encoding",
    `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ["transfer-encoding and content-length", `${CHUNKED}Content-Length: 3\r\n\r\n0\r\n\r\n`, 400],
  ["two different lengths", `${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400],
  ["the same length twice", `${POST}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 400],
  ["a list of lengths", `${POST}Content-Length: 1, 1\r\n\r\na`, 400],
  ["an unknown transfer-encoding", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
  ["chunked that is not last", `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400],
  ["a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400],
  ["a length with a sign", `${POST}Content-Length: +2\r\n\r\nab`, 400],
  ["a negative length", `${POST}Content-Length: -1\r\n\r\n`, 400],
  ["a length beyond all numbers", `${POST}Content-Length: 100000000000000000000\r\n\r\nab`, 400],
  ["a length in hexadecimal", `${POST}Content-Length: 0x2\r\n\r\nab`, 400],
  ["lines that end without a carriage return", "GET / HTTP/1.1\nHost: x\n\n", 400],
  ["a header that goes on in the next line", `${GET}X: a\r\n b\r\n\r\n`, 400],
  ["a NUL in a header", `${GET}X: a\0b\r\n\r\n`, 400],
  ["a carriage return in a header", `${GET}X: a\rb\r\n\r\n`, 400],
  ["a header without a name", `${GET}: a\r\n\r\n`, 400],
  ["a chunk size that is none", `${CHUNKED}\r\nzz\r\n`, 400],
  ["a chunk size with a sign", `${CHUNKED}\r\n-1\r\na\r\n0\r\n\r\n`, 400],
  ["a chunk size beyond all numbers", `${CHUNKED}\r\nfffffffffffffffff\r\n`, 400],
  ["a chunk that is longer than its size", `${CHUNKED}\r\n1\r\nab\r\n0\r\n\r\n`, 400],
  ["a chunk extension of 64 KB", `${CHUNKED}\r\n1;a=${"b".repeat(65_536)}\r\na\r\n0\r\n\r\n`, 400],
  ["a TLS hello", Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), 400],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown version", "GET / HTTP/3.7\r\nHost: x\r\n\r\n", 400],
  ["an unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two hosts", `${GET}Host: y\r\n\r\n`, 400],
  ["HTTP/1.0 with transfer-encoding", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
  ["101 headers", `${GET}${"a: b\r\n".repeat(100)}\r\n`, 431],
  ["3,000 headers", `${GET}${"a: b\r\n".repeat(3_000)}\r\n`, 431],
  ["a header of 20 KB", `${GET}X: ${"y".repeat(20_000)}\r\n\r\n`, 431],
  ["a target of 20 KB", `GET /${"y".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ["another server's absolute URL", "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n", 421],
  ["CONNECT", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405],
];

/** What every front must do with what comes over a socket. */
export function httpFrontCases(name: string, makeFront: MakeFront): void {
  describe(`${name}, as any front`, () => {
    let bed: FrontBed;
    before(async () => {
      bed = await FrontBed.open(makeFront);
    });
    after(() => bed.close());

    for (const [what, bytes, status] of REFUSED) {
      it(`refuses ${what} with ${status}, once, and closes the connection`, async () => {
        const [seen, outcomes] = [bed.seen.length, bed.refused.length + bed.handled.length];
        const answer = await bed.raw(bytes);
        assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
        assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, answer);
        assert.match(answer, /content-type: application\/problem\+json/);
        assert.match(answer, /^connection: close\r$/im);
        assert.equal(bed.seen.length, seen, "it reached the handler");
        assert.equal(bed.refused.length + bed.handled.length, outcomes + 1, "it is not counted once");
      });
    }

    it("refuses an expectation that it does not know with 417", async () => {
      const answer = await bed.raw(`${GET}Expect: banana\r\n\r\n`);
      assert.match(answer, /^HTTP\/1.1 417 /);
      assert.equal(bed.refused.at(-1), 417);
    });

    servesCases(() => bed);
    answerCases(() => bed);
  });
  httpFrontFlowCases(name, makeFront);
  httpFrontPatienceCases(name, makeFront);
}

function servesCases(bedOf: () => FrontBed): void {
  const last = async (bytes: string | Uint8Array): Promise<ReturnType<typeof Object.assign>> => {
    const bed = bedOf();
    const answer = await bed.raw(bytes);
    assert.match(answer, /^HTTP\/1.1 200 /);
    return bed.seen.at(-1);
  };

  it("serves 100 headers, with all of them", async () => {
    const seen = await last(`${GET}${"a: b\r\n".repeat(98)}${CLOSE}\r\n`);
    assert.equal(seen.headers.length, 200);
  });

  it("gives header names and values as they came, in latin-1 and without surrounding blanks", async () => {
    const seen = await last(`${GET}X-Odd:  caf\u00e9 \t\r\nx-odd:\r\n${CLOSE}\r\n`);
    assert.deepEqual(seen.headers.slice(2, 6), ["X-Odd", "caf\u00e9", "x-odd", ""]);
  });

  it("serves its own absolute URL by its path", async () => {
    const port = bedOf().port;
    assert.equal((await last(`GET http://127.0.0.1:${port}/x?y HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`)).target, "/x?y");
    assert.equal((await last(`GET http://localhost:${port} HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`)).target, "/");
  });

  for (const [what, protocol, body] of [
    ["an upgrade to HTTP/2", "h2c", ""],
    ["an upgrade to something unknown", "banana/1.0", ""],
    ["an upgrade that has a body", "h2c", "hello"],
    ["a WebSocket that is asked for with a body", "websocket", "hello"],
  ] as const) {
    it(`ignores ${what} and serves the request`, async () => {
      const head = `${POST}Connection: close, upgrade\r\nUpgrade: ${protocol}\r\nContent-Length: ${body.length}\r\n\r\n`;
      const seen = await last(head + body);
      assert.equal(seen.body, body);
    });
  }

  it("serves HTTP/1.0 without a host and closes", async () => {
    assert.equal((await last("GET /old HTTP/1.0\r\n\r\n")).target, "/old");
  });

  it("keeps an HTTP/1.0 connection whose client asks for it", async () => {
    const client = await bedOf().connect();
    client.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert.match(await client.until(/<>/), /^connection: keep-alive\r$/im);
    await client.write("GET / HTTP/1.0\r\n\r\n").until(/<>[^]*<>/);
    await client.closed();
  });

  it("serves a body of declared length, and one of chunks, whose extensions and trailers it drops", async () => {
    assert.equal((await last(`${POST}${CLOSE}Content-Length: 5\r\n\r\nhello`)).body, "hello");
    const chunks = "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: z\r\n\r\n";
    const seen = await last(`${CHUNKED}${CLOSE}\r\n${chunks}`);
    assert.equal(seen.body, "hello");
    assert.ok(!seen.headers.includes("X-Trailer"));
  });

  it("serves requests that come byte by byte", async () => {
    const client = await bedOf().connect();
    for (const byte of Buffer.from(`${CHUNKED}\r\n5\r\nhello\r\n0\r\n\r\n${POST}${CLOSE}Content-Length: 2\r\n\r\nhi`)) {
      client.write(Buffer.of(byte));
      // Nothing is merged on the way: each byte is a read of its own.
      await new Promise(setImmediate);
    }
    assert.match(await client.closed(), /<hello>[^]*<hi>$/);
  });

  it("keeps a connection, and answers requests sent one behind the other in order, one at a time", async () => {
    const bed = bedOf();
    let ongoing = 0;
    let mostOngoing = 0;
    bed.onRequest = async (exchange) => {
      mostOngoing = Math.max(mostOngoing, ++ongoing);
      // The first takes longest.
      for (let turn = exchange.target === "/1" ? 300 : 0; turn > 0; turn--) await new Promise(setImmediate);
      ongoing--;
      exchange.answer({ status: 200, headers: [], body: [Buffer.from(`(${exchange.target})`)] });
    };
    const targets = Array.from({ length: 3_000 }, (_, i) => `/${i + 1}`);
    const requests = targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const client = await bed.connect();
    const text = await client.write(requests.join("")).until(/\(\/3000\)/);
    bed.onRequest = (exchange) => bed.echo(exchange);
    assert.deepEqual(
      text.match(/\(\/\d+\)/g),
      targets.map((target) => `(${target})`),
    );
    assert.equal(mostOngoing, 1);
    client.destroy();
  });

  it("answers good requests before it refuses what came behind them", async () => {
    for (const bytes of ["\0\0\0 no request", "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"]) {
      const answer = await bedOf().raw(`${GET}\r\n${GET}\r\n${bytes}`);
      assert.match(answer, /^HTTP\/1.1 200 [^]*HTTP\/1.1 200 [^]*HTTP\/1.1 40[05] [^]*problem\+json/);
    }
  });

  it("looks at nothing behind a request that was to be the last, or that was refused", async () => {
    const bed = bedOf();
    for (const first of [
      `${GET}${CLOSE}\r\n`,
      `${GET}Connection: x\t,\tclose\t\r\nX: y\r\n\r\n`,
      "GET / HTTP/1.0\r\n\r\n",
      `${GET}Host: y\r\n\r\n`,
    ]) {
      const seen = bed.seen.length;
      const answer = await bed.raw(`${first}GET /behind HTTP/1.1\r\nHost: x\r\n\r\n\0\0`);
      assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1, answer);
      assert.ok(bed.seen.slice(seen).every(({ target }) => target === "/"));
    }
  });

  it("serves what comes behind an upgrade that it ignores, or closes", async () => {
    const bed = bedOf();
    const client = await bed.connect();
    client.write(`${GET}Connection: upgrade\r\nUpgrade: h2c\r\n\r\nGET /behind HTTP/1.1\r\nHost: x\r\n\r\n`);
    await Promise.any([client.until(/<>[^]*<>/), client.closed()]);
    client.destroy();
  });

  it("gives a client that waits for it a 100, once its body is wanted", async () => {
    const bed = bedOf();
    const post = `${POST}Expect: 100-continue\r\n${CLOSE}`;
    const taken = await bed.raw(`${post}Content-Length: 2\r\n\r\nhi`);
    assert.match(taken, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
    const refused = await bed.raw(`${post}Content-Length: 5000000\r\n\r\n`);
    assert.match(refused, /^HTTP\/1.1 413 /);
    bed.onRequest = (exchange) => Promise.resolve(exchange.answer({ status: 404, headers: [], body: [] }));
    const ignored = await bed.raw(`${POST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`);
    bed.onRequest = (exchange) => bed.echo(exchange);
    assert.match(ignored, /^HTTP\/1.1 404 /);
    assert.match(ignored, /^connection: close\r$/im);
  });
}

function answerCases(bedOf: () => FrontBed): void {
  const answers = async (
    status: number,
    { headers = [], body = "", method = "GET" }: { headers?: readonly string[]; body?: string; method?: string },
  ): Promise<string> => {
    const bed = bedOf();
    bed.onRequest = (exchange) =>
      Promise.resolve(exchange.answer({ status, headers, body: body === "" ? [] : [Buffer.from(body, "latin1")] }));
    const text = await bed.raw(`${method} / HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`);
    bed.onRequest = (exchange) => bed.echo(exchange);
    return text;
  };

  it("sends status, headers that repeat, and bytes of any value and size as they are", async () => {
    const every = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join("");
    for (const body of [every, every.repeat(1_000)]) {
      const text = await answers(207, { headers: ["x-a", "1", "X-A", "caf\u00e9"], body });
      assert.match(text, /^HTTP\/1.1 207 Multi-Status\r\n/);
      assert.match(text, /^x-a: 1\r\nX-A: caf\u00e9\r\n/m);
      assert.match(text, new RegExp(`^content-length: ${body.length}\r$`, "m"));
      assert.ok(text.endsWith(`\r\n\r\n${body}`));
      assert.doesNotMatch(text, /^date:/im);
    }
  });

  it("sends no body with HEAD, 204 and 304, and a length only where there may be one", async () => {
    const head = await answers(200, { body: "hello", method: "HEAD" });
    assert.match(head, /^content-length: 5\r$/m);
    assert.ok(head.endsWith("\r\n\r\n"));
    const own = await answers(200, { headers: ["Content-Length", "7"], method: "HEAD" });
    assert.match(own, /^Content-Length: 7\r$/m);
    assert.equal(own.match(/content-length/gi)?.length, 1);
    for (const status of [204, 304]) {
      const text = await answers(status, { body: "no" });
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.doesNotMatch(text, /^(content-length|transfer-encoding):/im);
      assert.ok(text.endsWith("\r\n\r\n"));
    }
  });

  it("says that an empty answer is empty", async () => {
    assert.match(await answers(200, {}), /^content-length: 0\r$/m);
  });

  for (const [what, headers] of [
    ["a line break in a value", ["x-a", "b\r\nX-Injected: 1"]],
    ["a carriage return in a value", ["x-a", "b\rX-Injected: 1"]],
    ["a NUL in a value", ["x-a", "b\0X-Injected: 1"]],
    ["a line break in a name", ["x-a\r\nX-Injected", "1"]],
    ["a colon in a name", ["X-Injected: 1", "x"]],
  ] as const) {
    it(`sends a 500 instead of an answer with ${what}`, async () => {
      const text = await answers(200, { headers, body: "secret" });
      assert.match(text, /^HTTP\/1.1 500 /);
      assert.doesNotMatch(text, /Injected|secret/);
    });
  }

  it("sends only the first answer to a request", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) => {
      exchange.answer({ status: 200, headers: [], body: [Buffer.from("first")] });
      exchange.answer({ status: 200, headers: [], body: [Buffer.from("second")] });
      return Promise.resolve();
    };
    const text = await bed.raw(`${GET}${CLOSE}\r\n`);
    bed.onRequest = (exchange) => bed.echo(exchange);
    assert.match(text, /first$/);
  });

  it("tells who is connected", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) =>
      Promise.resolve(exchange.answer({ status: 200, headers: [], body: [Buffer.from(exchange.remoteAddress)] }));
    const text = await bed.raw(`${GET}${CLOSE}\r\n`);
    bed.onRequest = (exchange) => bed.echo(exchange);
    assert.match(text, /\r\n\r\n127\.0\.0\.1$/);
  });
}
