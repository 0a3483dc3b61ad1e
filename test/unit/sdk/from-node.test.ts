import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import fastify from "fastify";
import { fromNode } from "../../../sdk/from-node.ts";
import { settle } from "../../fake/manual-clock.ts";

const get = new Request("http://localhost/a/b?q=1", { headers: { "x-one": "1" } });

describe("fromNode", () => {
  it("serves a Fastify application without a port", async () => {
    const app = fastify();
    app.post<{ Body: { name: string } }>("/hello/:id", async (request, reply) => {
      void reply.header("set-cookie", ["a=1", "b=2"]).code(201);
      return { hello: request.body.name, id: (request.params as { id: string }).id, ip: request.ip };
    });
    const fetch = fromNode(async (request, response) => {
      await app.ready();
      app.routing(request, response);
    });
    const body = JSON.stringify({ name: "Ada" });
    const headers = { "content-type": "application/json" };
    const response = await fetch(new Request("http://localhost/hello/7", { method: "POST", body, headers }));
    assert.equal(response.status, 201);
    assert.deepEqual(await response.json(), { hello: "Ada", id: "7", ip: "127.0.0.1" });
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    const missing = await fetch(new Request("http://localhost/nothing"));
    assert.equal(missing.status, 404);
    await app.close();
  });

  it("passes method, path, query, headers and body on", async () => {
    const fetch = fromNode(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method, url, headers } = request;
      response.end(JSON.stringify([method, url, headers["x-one"], headers.host, Buffer.concat(chunks).toString()]));
    });
    assert.deepEqual(await (await fetch(get)).json(), ["GET", "/a/b?q=1", "1", "localhost", ""]);
    const post = new Request("http://localhost/", { method: "POST", body: "abc" });
    assert.deepEqual(await (await fetch(post)).json(), ["POST", "/", null, "localhost", "abc"]);
  });

  it("gathers an answer written in pieces, with headers given to writeHead", async () => {
    const fetch = fromNode((_request, response) => {
      response.writeHead(202, "Taken", { "Content-Type": "text/plain", "x-a": ["1", "2"] });
      response.write("one ");
      response.write(Buffer.from("two "));
      setImmediate(() => response.end("three"));
    });
    const response = await fetch(get);
    assert.deepEqual([response.status, response.statusText, await response.text()], [202, "Taken", "one two three"]);
    assert.equal(response.headers.get("content-type"), "text/plain");
    assert.equal(response.headers.get("x-a"), "1, 2");
    assert.equal(response.headers.get("transfer-encoding"), null);
  });

  it("streams an answer that goes on, no faster than it is read, and closes it when its reader leaves", async () => {
    let writtenCount = 0;
    let isClosed = false;
    const fetch = fromNode(async (request, response) => {
      request.on("close", () => (isClosed = true));
      response.setHeader("content-type", "text/event-stream");
      response.flushHeaders();
      while (!response.destroyed) {
        writtenCount += 1;
        if (!response.write(Buffer.alloc(16 * 1024))) await once(response, "drain").catch(() => undefined);
      }
    });
    const response = await fetch(get);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    assert.equal((await reader.read()).value?.byteLength, 16 * 1024);
    await settle();
    assert.ok(writtenCount < 10, `${writtenCount} chunks`);
    await reader.cancel();
    await settle();
    assert.ok(isClosed);
  });

  it("breaks a stream off with what the handler throws, and ends one that it ends", async () => {
    const failing = fromNode(async (_request, response) => {
      response.write("one ");
      await settle();
      throw new RangeError("no more");
    });
    await assert.rejects((await failing(get)).text(), RangeError);
    const ending = fromNode(async (_request, response) => {
      response.write("one ");
      await settle();
      await settle();
      response.end("two");
    });
    assert.equal(await (await ending(get)).text(), "one two");
  });

  for (const status of [204, 304]) {
    it(`answers ${status} without a body`, async () => {
      const response = await fromNode((_request, answer) => answer.writeHead(status).end())(get);
      assert.deepEqual([response.status, response.body], [status, null]);
    });
  }

  it("rejects with what the handler throws or rejects with", async () => {
    await assert.rejects(async () => fromNode(() => assert.fail("sync"))(get), /sync/);
    await assert.rejects(async () => fromNode(async () => Promise.reject(new Error("async")))(get), /async/);
  });

  it("rejects when the handler closes its answer before it has ended", async () => {
    await assert.rejects(
      async () => fromNode((_request, response) => void response.destroy())(get),
      /before it had ended/,
    );
  });

  it("lets go of a handler that never answers when the request is cancelled", async () => {
    const controller = new AbortController();
    const seen = Promise.withResolvers<void>();
    const fetch = fromNode((request) => void request.once("close", () => seen.resolve()));
    const answer = fetch(new Request("http://localhost/", { signal: controller.signal }));
    setImmediate(() => controller.abort());
    await assert.rejects(async () => answer);
    await seen.promise;
  });
});
