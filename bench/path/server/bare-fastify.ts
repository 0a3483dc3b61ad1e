/** What many would write: one process of Fastify that answers by itself. It prints its port. */
import type { AddressInfo } from "node:net";
import Fastify from "fastify";
import { answerTo, answerToBytes, type StreamInput, tokens, type WorkInput } from "../work.ts";

const MOST_BODY_BYTES = 8 * 1024 * 1024;

const server = Fastify({ logger: false, bodyLimit: MOST_BODY_BYTES });
server.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (_request, body, done) => {
  done(null, body);
});
server.post<{ Body: WorkInput | Buffer }>("/work", async ({ body }) =>
  Buffer.isBuffer(body) ? answerToBytes(body) : answerTo(body),
);
server.post<{ Body: StreamInput }>("/stream", async (request, reply) => {
  void reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  for await (const token of tokens(request.body)) raw.write(`data: ${JSON.stringify(token)}\n\n`);
  raw.end("data: [DONE]\n\n");
});
await server.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${String((server.server.address() as AddressInfo).port)}\n`);
