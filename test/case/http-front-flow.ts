import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { HandlerError, ServeError } from "../../core/error.ts";
import { MOST_REPLAYED_BODY_BYTES, STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { isStream, type Body } from "../../proto/body.ts";
import type { HttpAnswer, HttpExchange } from "../../proxy/http-front.ts";
import { BED_BODY_BYTES, FrontBed, ProducedBody, turns, type MakeFront } from "../fake/front-bed.ts";
import { gatherBody } from "../fake/gather-body.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n";
const POST = "POST / HTTP/1.1\r\nHost: x\r\n";
/** More than the buffers of both sockets hold. */
const FLOOD_BYTES = 64 * 1024 * 1024;
const PIECE = "x".repeat(64 * 1024);

/** What every front must do with bodies that take their time, and with clients that go. */
export function httpFrontFlowCases(name: string, makeFront: MakeFront): void {
  describe(`${name}, as any front that streams`, () => {
    let bed: FrontBed;
    before(async () => {
      bed = await FrontBed.open(makeFront);
    });
    afterEach(() => {
      bed.onRequest = (exchange) => bed.echo(exchange);
    });
    after(() => bed.close());
    answerStreamCases(() => bed);
    requestStreamCases(() => bed);
    clientGoneCases(() => bed);
  });
}

/** The next request's exchange; it stays unanswered until the test answers it. */
function nextExchange(bed: FrontBed): Promise<HttpExchange> {
  return new Promise((resolve) => {
    bed.onRequest = (exchange) => {
      resolve(exchange);
      return new Promise((done) => void exchange.cancellation.onCancel(() => done()));
    };
  });
}

function streamed(body: ProducedBody, more: Partial<HttpAnswer> = {}): HttpAnswer {
  return { status: 200, headers: [], body: body.stream, ...more };
}

function answerStreamCases(bedOf: () => FrontBed): void {
  it("sends a stream's head at once and each piece as it comes, in chunks", async () => {
    const bed = bedOf();
    const exchange = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const body = new ProducedBody();
    (await exchange).answer(streamed(body));
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1.1 200 [^]*^transfer-encoding: chunked\r$/im);
    body.write("one");
    assert.match(await client.until(/one/), /\r\n\r\n3\r\none\r\n$/);
    body.write("two!");
    await client.until(/4\r\ntwo!\r\n$/);
    await body.until(() => body.consumedBytes === 7);
    body.stream.end();
    await client.until(/\r\n0\r\n\r\n$/);
    bed.onRequest = (again) => bed.echo(again);
    await client.write(`${GET}\r\n`).until(/<>/);
    client.destroy();
  });

  it("sends what a stream held before its answer, whole and ended", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) => {
      const body = new ProducedBody();
      body.write("a");
      body.write("b");
      body.stream.end();
      exchange.answer(streamed(body));
      return Promise.resolve();
    };
    const text = await bed.raw(`${GET}Connection: close\r\n\r\n`);
    assert.equal(
      text.slice(text.indexOf("\r\n\r\n") + 4).replace(/\r\n|^\d\r\n/gm, ""),
      "120".replace(/\d/g, "") + "ab",
    );
  });

  it("sends a stream of known length without chunks", async () => {
    const bed = bedOf();
    const exchange = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const body = new ProducedBody(5);
    (await exchange).answer(streamed(body));
    body.write("hel");
    body.write("lo");
    body.stream.end();
    const text = await client.until(/\r\n\r\nhello$/);
    assert.match(text, /^content-length: 5\r$/im);
    assert.doesNotMatch(text, /transfer-encoding/i);
    client.destroy();
  });

  for (const [what, written] of [
    ["shorter", "he"],
    ["longer", "hello, hello"],
  ] as const) {
    it(`breaks the connection off where a stream is ${what} than it said`, async () => {
      const bed = bedOf();
      const exchange = nextExchange(bed);
      const client = (await bed.connect()).write(`${GET}\r\n`);
      const body = new ProducedBody(5);
      (await exchange).answer(streamed(body));
      body.write(written);
      body.stream.end();
      const text = await client.closed();
      assert.ok(text.slice(text.indexOf("\r\n\r\n") + 4).length < 5);
    });
  }

  it("sends a failed stream's last words and closes without the last chunk", async () => {
    const bed = bedOf();
    const exchange = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const body = new ProducedBody();
    (await exchange).answer(streamed(body, { lastWords: (error) => Buffer.from(`event: error ${error.code}`) }));
    body.write("data");
    body.stream.fail(new HandlerError("it broke"));
    const text = await client.closed();
    assert.match(text, /\r\n\r\n4\r\ndata\r\n1b\r\nevent: error handler_failed\r\n$/);
  });

  it("streams to HTTP/1.0 until it closes, and resets where the stream fails", async () => {
    const bed = bedOf();
    for (const isFailed of [false, true]) {
      const exchange = nextExchange(bed);
      const client = (await bed.connect()).write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
      const body = new ProducedBody();
      (await exchange).answer(streamed(body));
      body.write("data");
      assert.doesNotMatch(await client.until(/\r\n\r\ndata$/), /transfer-encoding|connection: keep-alive/i);
      if (isFailed) body.stream.fail(new HandlerError("it broke"));
      else body.stream.end();
      await client.closed();
      assert.equal(client.error?.code, isFailed ? "ECONNRESET" : undefined);
    }
  });

  it("takes no more of a stream than a client reads, and all of it when it reads again", async () => {
    const bed = bedOf();
    const exchange = nextExchange(bed);
    const client = await bed.connect();
    client.socket.pause();
    client.write(`${GET}Connection: close\r\n\r\n`);
    const body = new ProducedBody();
    (await exchange).answer(streamed(body));
    let written = 0;
    for (let quiet = 0; quiet < 300 && written < FLOOD_BYTES;) {
      const before = body.consumedBytes;
      for (; body.stream.outstandingBytes < STREAM_WINDOW_BYTES; written += PIECE.length) body.write(PIECE);
      await turns(1);
      quiet = body.consumedBytes === before ? quiet + 1 : 0;
    }
    assert.ok(written < FLOOD_BYTES, "nothing stopped the producer");
    let read = 0;
    client.socket
      .removeAllListeners("data")
      .on("data", (chunk: Buffer) => (read += chunk.length))
      .resume();
    await body.until(() => body.stream.outstandingBytes === 0);
    body.stream.end();
    await client.closed();
    assert.ok(read > written);
  });

  it("asks nothing of a stream where the method or the status allows no body", async () => {
    const bed = bedOf();
    for (const [method, status] of [
      ["HEAD", 200],
      ["GET", 204],
    ] as const) {
      const exchange = nextExchange(bed);
      const client = (await bed.connect()).write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
      const body = new ProducedBody();
      (await exchange).answer(streamed(body, { status }));
      assert.match(await client.until(/\r\n\r\n/), new RegExp(`^HTTP/1.1 ${status} `));
      assert.ok(body.cancelled);
      bed.onRequest = (again) => bed.echo(again);
      await client.write(`${GET}\r\n`).until(/<>/);
      client.destroy();
    }
  });
}

function requestStreamCases(bedOf: () => FrontBed): void {
  /** Sends a head, and gives the body that the handler got. */
  const begin = async (head: string) => {
    const bed = bedOf();
    const exchange = nextExchange(bed);
    const client = (await bed.connect()).write(head);
    const taken = await exchange;
    return { client, exchange: taken, body: taken.readBody(FLOOD_BYTES) };
  };
  const length = async (body: Body): Promise<number> =>
    (await gatherBody(body, FLOOD_BYTES)).reduce((bytes, part) => bytes + part.byteLength, 0);

  for (const [what, head, frame] of [
    ["declared", `Content-Length: ${FLOOD_BYTES}\r\n`, (text: string) => text],
    ["chunked", "Transfer-Encoding: chunked\r\n", (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`],
  ] as const) {
    it(`reads a long ${what} body only as it is used up`, async () => {
      const { client, exchange, body } = await begin(`${POST}${head}Connection: close\r\n\r\n`);
      let sent = 0;
      for (let quiet = 0; quiet < 300 && sent < FLOOD_BYTES; await turns(1)) {
        if (client.socket.writableLength > PIECE.length) quiet++;
        else {
          quiet = 0;
          client.write(frame(PIECE));
          sent += PIECE.length;
        }
      }
      assert.ok(sent < FLOOD_BYTES, "nothing stopped the client");
      const stream = await body;
      assert.ok(isStream(stream));
      assert.ok(stream.outstandingBytes < 2 * STREAM_WINDOW_BYTES, `${stream.outstandingBytes} bytes are held`);
      assert.equal(stream.length, what === "declared" ? FLOOD_BYTES : undefined);
      const total = length(stream);
      for (; sent < FLOOD_BYTES; sent += PIECE.length) {
        client.write(frame(PIECE));
        if (client.socket.writableLength > FLOOD_BYTES / 8)
          await new Promise((done) => client.socket.once("drain", done));
      }
      if (what === "chunked") client.write("0\r\n\r\n");
      assert.equal(await total, FLOOD_BYTES);
      exchange.answer({ status: 200, headers: [], body: [Buffer.from("done")] });
      assert.match(await client.closed(), /done$/);
    });
  }

  it("gives a body that can be held whole, and a longer one as a stream as soon as it is known", async () => {
    const most = await begin(`${POST}Content-Length: ${MOST_REPLAYED_BODY_BYTES}\r\n\r\n`);
    most.client.write("x".repeat(MOST_REPLAYED_BODY_BYTES));
    assert.ok(!isStream(await most.body));
    const declared = await begin(`${POST}Content-Length: ${MOST_REPLAYED_BODY_BYTES + 1}\r\n\r\n`);
    assert.ok(isStream(await declared.body));
    const chunked = await begin(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
    chunked.client.write(`10001\r\n${"x".repeat(0x10001)}\r\n`);
    const stream = await chunked.body;
    assert.ok(isStream(stream));
    const total = length(stream);
    chunked.client.write("2\r\nab\r\n0\r\n\r\n");
    assert.equal(await total, 0x10003);
    for (const { client } of [most, declared, chunked]) client.destroy();
  });

  it("refuses a body that is too long before any of it came, and its client, which sends it all, sees why", async () => {
    const bed = bedOf();
    const size = 2 * BED_BODY_BYTES;
    const client = (await bed.connect()).write(`${POST}Content-Length: ${size}\r\n\r\n`);
    assert.match(await client.until(/payload_too_large/), /^HTTP\/1.1 413 /);
    client.destroy();
    const whole = await bed.connect();
    whole.socket.pause();
    whole.write(`${POST}Connection: close\r\nContent-Length: ${size}\r\n\r\n`).write(Buffer.alloc(size));
    await turns();
    whole.socket.resume();
    assert.match(await whole.closed(), /^HTTP\/1.1 413 [^]*payload_too_large/);
  });

  it("refuses a chunked body at the byte that is too much, as long as it has no answer", async () => {
    const bed = bedOf();
    const client = (await bed.connect()).write(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
    client
      .write(`${BED_BODY_BYTES.toString(16)}\r\n`)
      .write(Buffer.alloc(BED_BODY_BYTES))
      .write("\r\n1\r\nx\r\n");
    assert.match(await client.until(/payload_too_large/), /^HTTP\/1.1 413 /);
    client.destroy();
  });

  it("fails a streamed body in which no chunk follows, once", async () => {
    const { client, body } = await begin(`${POST}Transfer-Encoding: chunked\r\n\r\n`);
    client.write(`10001\r\n${"x".repeat(0x10001)}\r\n`);
    const total = length(await body);
    client.write("no chunk\r\n");
    await assert.rejects(total, (error) => error instanceof ServeError && error.code === "invalid_request");
    client.destroy();
  });

  it("answers before a long body has come, and drops its rest", async () => {
    const size = 4 * STREAM_WINDOW_BYTES;
    const { client, exchange, body } = await begin(`${POST}Content-Length: ${size}\r\n\r\n`);
    client.write(Buffer.alloc(2 * STREAM_WINDOW_BYTES));
    const stream = await body;
    assert.ok(isStream(stream));
    exchange.answer({ status: 200, headers: [], body: [Buffer.from("early")] });
    await client.until(/early$/);
    assert.ok(stream.isSettled);
    client.write(Buffer.alloc(size - 2 * STREAM_WINDOW_BYTES, "GET "));
    const bed = bedOf();
    bed.onRequest = (again) => bed.echo(again);
    client.write(`${GET}\r\n`);
    await Promise.any([client.until(/<>/), client.closed()]);
    assert.doesNotMatch(client.text, /HTTP\/1.1 400/);
    client.destroy();
  });

  it("answers a request whose body is not read, and drops the body", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) => Promise.resolve(exchange.answer({ status: 404, headers: [], body: [] }));
    const client = (await bed.connect()).write(`${POST}Content-Length: 200000\r\n\r\n`);
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1.1 404 /);
    client.write(Buffer.alloc(200_000, "GET "));
    bed.onRequest = (exchange) => bed.echo(exchange);
    const before = bed.seen.length;
    client.write(`${GET}\r\n`);
    await Promise.any([client.until(/<>/), client.closed()]);
    assert.equal(client.text.match(/HTTP\/1\.1 \d/g)?.length, bed.seen.length - before + 1);
    client.destroy();
  });
}

function clientGoneCases(bedOf: () => FrontBed): void {
  it("cancels a request whose client goes away before its answer", async () => {
    const bed = bedOf();
    const next = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const exchange = await next;
    client.destroy();
    await new Promise((resolve) => exchange.cancellation.onCancel(resolve));
    assert.equal(exchange.cancellation.reason?.code, "cancelled");
    const body = new ProducedBody();
    exchange.answer(streamed(body));
    assert.equal(body.cancelled?.code, "cancelled");
  });

  it("takes a client that ends its side for gone", async () => {
    const bed = bedOf();
    const next = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const exchange = await next;
    client.socket.end();
    await new Promise((resolve) => exchange.cancellation.onCancel(resolve));
    await client.closed();
  });

  it("cancels the stream that answers a client that goes away", async () => {
    const bed = bedOf();
    const next = nextExchange(bed);
    const client = (await bed.connect()).write(`${GET}\r\n`);
    const body = new ProducedBody();
    (await next).answer(streamed(body));
    body.write("x");
    await client.until(/x/);
    client.destroy();
    await body.until(() => body.cancelled !== undefined);
    assert.equal(body.cancelled?.code, "cancelled");
  });

  for (const [what, bytes] of [
    ["held whole", 1_000],
    ["streamed", 100_000],
  ] as const) {
    it(`fails a body, ${what}, whose client goes away while it sends`, async () => {
      const bed = bedOf();
      const next = nextExchange(bed);
      const client = (await bed.connect()).write(`${POST}Content-Length: ${bytes}\r\n\r\nhello`);
      const gathered = (await next).readBody(FLOOD_BYTES).then((body) => gatherBody(body, FLOOD_BYTES));
      client.destroy();
      await assert.rejects(gathered, (error) => error instanceof ServeError && error.code === "cancelled");
    });
  }

  it("hands over a socket that asks for a WebSocket, with what came behind its head", async () => {
    const bed = bedOf();
    const upgraded = new Promise<string>((resolve) => {
      bed.onUpgrade = (exchange) => {
        const { socket, head } = exchange.accept();
        socket.write(`${exchange.target} ${exchange.remoteAddress}`);
        socket.on("data", (chunk: Buffer) => resolve(head.toString() + chunk.toString())).resume();
      };
    });
    const client = await bed.connect();
    client.write(`GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nearly`);
    await client.until(/\/chat 127\.0\.0\.1/);
    client.write(" late");
    assert.equal(await upgraded, "early late");
    client.destroy();
  });

  it("answers what asks for a WebSocket and is refused, and closes", async () => {
    const bed = bedOf();
    bed.onUpgrade = (exchange) => {
      exchange.refuse({ status: 404, headers: ["x-a", "b"], body: [Buffer.from("no such thing")] });
    };
    const text = await bed.raw(`${GET}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    assert.match(text, /^HTTP\/1.1 404 [^]*^x-a: b\r$[^]*^connection: close\r$[^]*no such thing$/im);
  });

  it("cancels an upgrade whose client goes away before it is answered", async () => {
    const bed = bedOf();
    const cancelled = new Promise<ServeError>((resolve) => {
      bed.onUpgrade = ({ cancellation }) => void cancellation.onCancel(resolve);
    });
    const client = (await bed.connect()).write(`${GET}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    await turns();
    client.destroy();
    assert.equal((await cancelled).code, "cancelled");
  });
}
