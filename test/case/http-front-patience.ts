import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { ServeError } from "../../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { isStream } from "../../proto/body.ts";
import type { FrontLimits, HttpExchange } from "../../proxy/http-front.ts";
import { FrontBed, ProducedBody, turns, type MakeFront } from "../fake/front-bed.ts";
import { gatherBody } from "../fake/gather-body.ts";

const GET = "GET / HTTP/1.1\r\nHost: x\r\n";
const POST = "POST / HTTP/1.1\r\nHost: x\r\n";

/** Short enough to be waited for. */
const LIMITS: FrontLimits = {
  headersTimeoutMs: 150,
  requestReadTimeoutMs: 300,
  slowBodySpanMs: 150,
  readerStallMs: 150,
  keepAliveMs: 300,
  drainIdleMs: 40,
  sweepMs: 20,
};

/** Time for everything above to have happened; a bound of a test, not a wait. */
const PATIENCE = { timeout: 10_000 };

/** What every front must do with clients that are slow, and when it drains. */
export function httpFrontPatienceCases(name: string, makeFront: MakeFront): void {
  describe(`${name}, as any front that is patient for so long`, PATIENCE, () => {
    let bed: FrontBed;
    before(async () => {
      bed = await FrontBed.open(makeFront, LIMITS);
    });
    afterEach(() => {
      bed.onRequest = (exchange) => bed.echo(exchange);
    });
    after(() => bed.close());
    slowRequestCases(() => bed);
    slowReaderCases(() => bed);
  });
  describe(`${name}, as any front that drains`, PATIENCE, () => {
    drainCases(() => FrontBed.open(makeFront, LIMITS));
    listenCases(() => FrontBed.open(makeFront, LIMITS), makeFront);
  });
}

function slowRequestCases(bedOf: () => FrontBed): void {
  for (const [what, before, bytes] of [
    ["the head of its first request", "", "GET / HTTP/1.1\r\nHo"],
    ["anything", "", ""],
    ["the head of a later request", `${GET}\r\n`, "GET / HT"],
  ] as const) {
    it(`tells a client that does not send ${what} that it was too slow, and closes`, async () => {
      const bed = bedOf();
      const client = await bed.connect();
      if (before !== "") await client.write(before).until(/<>/);
      if (bytes !== "") client.write(bytes);
      assert.match(await client.closed(), /HTTP\/1.1 408 [^]*request_timeout/);
      assert.equal(bed.refused.at(-1), 408);
    });
  }

  it("closes 500 connections that are all slow, and serves a good one meanwhile", async () => {
    const bed = bedOf();
    const slow = await Promise.all(Array.from({ length: 500 }, () => bed.connect()));
    for (const client of slow) client.write("GET / HTTP/1.1\r\nX: ");
    const good = await bed.connect();
    await good.write(`${GET}\r\n`).until(/<>/);
    for (const client of slow) assert.match(await client.closed(), /^HTTP\/1.1 408 /);
    good.destroy();
  });

  it("ends a short body that is late or slow with 408, once, and closes", async () => {
    const bed = bedOf();
    const outcomes = bed.handled.length + bed.refused.length;
    const answer = await bed.raw(`${POST}Content-Length: 10\r\n\r\nhello`);
    assert.match(answer, /^HTTP\/1.1 408 [^]*request_timeout/);
    assert.match(answer, /^connection: close\r$/im);
    assert.equal(bed.handled.length + bed.refused.length, outcomes + 1);
  });

  it("fails a long body that comes too slowly, and not one that nobody takes", async () => {
    const bed = bedOf();
    let arrived: (exchange: HttpExchange) => void = () => {};
    bed.onRequest = (exchange) => {
      arrived(exchange);
      return new Promise(() => {});
    };
    const begin = async (bytes: number) => {
      const next = new Promise<HttpExchange>((resolve) => (arrived = resolve));
      const client = (await bed.connect()).write(`${POST}Content-Length: 100000000\r\n\r\n`);
      client.write(Buffer.alloc(bytes));
      const body = await (await next).readBody(100_000_000);
      assert.ok(isStream(body));
      return { client, body };
    };
    const unread = await begin(8 * STREAM_WINDOW_BYTES);
    const slow = await begin(1_000);
    const isSlow = (error: unknown): boolean => error instanceof ServeError && error.code === "request_timeout";
    await assert.rejects(gatherBody(slow.body, 100_000_000), isSlow);
    assert.equal(unread.body.isSettled, false);
    unread.client.destroy();
    slow.client.destroy();
  });

  it("closes a connection whose answered request does not come to its end", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) => Promise.resolve(exchange.answer({ status: 404, headers: [], body: [] }));
    const text = await bed.raw(`${POST}Content-Length: 10\r\n\r\nhello`);
    assert.match(text, /^HTTP\/1.1 404 /);
  });

  it("closes a connection that is not used", async () => {
    assert.match(await bedOf().raw(`${GET}\r\n`), /<>$/);
  });
}

function slowReaderCases(bedOf: () => FrontBed): void {
  it("cuts off a client that reads nothing of its answer", async () => {
    const bed = bedOf();
    const body = new ProducedBody();
    bed.onRequest = (exchange) => Promise.resolve(exchange.answer({ status: 200, headers: [], body: body.stream }));
    const client = await bed.connect();
    client.socket.pause();
    client.write(`${GET}\r\n`);
    const piece = Buffer.alloc(STREAM_WINDOW_BYTES);
    while (body.cancelled === undefined) {
      while (body.stream.outstandingBytes < STREAM_WINDOW_BYTES && !body.stream.isSettled) body.stream.write(piece);
      await body.until(() => body.stream.outstandingBytes < STREAM_WINDOW_BYTES || body.cancelled !== undefined);
    }
    assert.equal(body.cancelled.code, "cancelled");
    client.destroy();
  });

  it("cuts off a client that reads nothing of a large whole answer", async () => {
    const bed = bedOf();
    bed.onRequest = (exchange) => {
      exchange.answer({ status: 200, headers: [], body: [Buffer.alloc(64 * 1024 * 1024)] });
      return Promise.resolve();
    };
    const client = await bed.connect();
    client.socket.pause();
    client.write(`${GET}\r\n`);
    // Another's idle connection outlasts it.
    await bed.raw(`${GET}X: y\r\n\r\n`);
    client.socket.resume();
    assert.ok((await client.closed()).length < 64 * 1024 * 1024);
  });
}

function drainCases(open: () => Promise<FrontBed>): void {
  it("finishes what is under way, tells its client to come no more, and closes", async () => {
    const bed = await open();
    const idle = await bed.connect();
    await idle.write(`${GET}\r\n`).until(/<>/);
    const body = new ProducedBody();
    const asked = new Promise<HttpExchange>((resolve) => {
      bed.onRequest = (exchange) => Promise.resolve(resolve(exchange));
    });
    const streaming = (await bed.connect()).write(`${GET}\r\n`);
    (await asked).answer({ status: 200, headers: [], body: body.stream });
    await streaming.until(/\r\n\r\n/);
    const waited = new Promise<HttpExchange>((resolve) => {
      bed.onRequest = (exchange) => Promise.resolve(resolve(exchange));
    });
    const waiting = (await bed.connect()).write(`${GET}\r\n`);
    const exchange = await waited;
    let isDrained = false;
    const drained = bed.front.drain().then(() => (isDrained = true));
    await idle.closed();
    exchange.answer({ status: 200, headers: [], body: [Buffer.from("done")] });
    assert.match(await waiting.closed(), /^connection: close\r$[^]*done$/im);
    await turns();
    assert.equal(isDrained, false);
    body.write("data");
    body.stream.end();
    assert.match(await streaming.closed(), /data\r\n0\r\n\r\n$/);
    await drained;
    await assert.rejects(bed.connect());
    await bed.close();
  });

  it("answers what a client sends on an idle connection that it does not yet know to be closed", async () => {
    const bed = await open();
    const idle = await bed.connect();
    await idle.write(`${GET}\r\n`).until(/<>/);
    const drained = bed.front.drain();
    await turns();
    idle.write(`${GET}\r\n`);
    assert.match(await idle.closed(), /<>[^]*^connection: close\r$[^]*<>$/im);
    await drained;
    await bed.close();
  });

  it("waits for no client that has sent nothing, or not all of a head, for long", async () => {
    const bed = await open();
    await bed.connect();
    const slow = (await bed.connect()).write("GET / HT");
    await turns();
    await bed.front.drain();
    await slow.closed();
    await bed.close();
  });

  it("closes everything at once when told to", async () => {
    const bed = await open();
    bed.onRequest = () => new Promise(() => {});
    const clients = [await bed.connect(), (await bed.connect()).write(`${GET}\r\n`)];
    await turns();
    bed.front.close();
    for (const client of clients) await client.closed();
  });
}

function listenCases(open: () => Promise<FrontBed>, makeFront: MakeFront): void {
  it("says why it cannot listen, and may be asked again", async () => {
    const bed = await open();
    const other = makeFront(bed, bed.log);
    const address = { host: "127.0.0.1", port: bed.port };
    await assert.rejects(other.listen({ address, isShared: false }), { code: "EADDRINUSE" });
    await bed.front.drain();
    assert.equal((await other.listen({ address, isShared: false })).port, bed.port);
    await (await bed.connect()).write(`${GET}\r\n`).until(/<>/);
    other.close();
    await bed.close();
  });
}
