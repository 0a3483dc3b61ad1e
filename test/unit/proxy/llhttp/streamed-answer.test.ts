import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createLlhttpFront } from "../../../../proxy/llhttp-front.ts";
import type { HttpExchange } from "../../../../proxy/http-front.ts";
import { FrontBed, ProducedBody } from "../../../fake/front-bed.ts";
import type { RawClient } from "../../../fake/raw-client.ts";

const bed = await FrontBed.open(createLlhttpFront);
after(() => bed.close());

async function streaming(): Promise<{ client: RawClient; body: ProducedBody }> {
  const asked = new Promise<HttpExchange>((resolve) => {
    bed.onRequest = (exchange) => Promise.resolve(resolve(exchange));
  });
  const client = (await bed.connect()).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const body = new ProducedBody();
  (await asked).answer({ status: 200, headers: [], body: body.stream });
  return { client, body };
}

test("pieces of one turn of the event loop leave together, each a chunk, with the head before them", async () => {
  const { client, body } = await streaming();
  const reads: string[] = [];
  client.socket.on("data", (chunk: Buffer) => reads.push(chunk.toString("latin1")));
  for (const piece of ["a", "bc", "caf\u00e9"]) body.write(piece);
  await client.until(/caf\u00e9/);
  assert.equal(reads.length, 1);
  assert.match(reads[0] ?? "", /^HTTP\/1.1 200 [^]*\r\n\r\n1\r\na\r\n2\r\nbc\r\n4\r\ncaf\u00e9\r\n$/);
  for (const piece of ["d", "e"]) body.write(piece);
  body.stream.end();
  await client.until(/0\r\n\r\n$/);
  assert.deepEqual(reads.slice(1), ["1\r\nd\r\n1\r\ne\r\n0\r\n\r\n"]);
  client.destroy();
});

test("large and small pieces keep their order, and all are consumed once", async () => {
  const { client, body } = await streaming();
  const pieces = ["a", "b".repeat(100_000), "c", "d".repeat(3_000), "e".repeat(2_000), "f"];
  for (const piece of pieces) body.write(piece);
  await client.until(/f\r\n$/);
  const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
  assert.ok(client.text.endsWith(`\r\n\r\n${chunks.join("")}`));
  const bytes = pieces.join("").length;
  await body.until(() => body.consumedBytes === bytes);
  assert.equal(body.stream.outstandingBytes, 0);
  body.stream.end();
  await client.until(/0\r\n\r\n$/);
  client.destroy();
});
