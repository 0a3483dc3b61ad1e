/**
 * The baseline: one process of node:http that answers by itself, as fast as node:http goes. No Date header, the head as
 * an array, a small answer joined to its head as one write, listeners shared by all requests, no limits, no routing, no
 * log. It prints its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerTo, answerToBytes, type StreamInput, tokens, type WorkInput } from "../work.ts";

const KEEP_ALIVE_MS = 65_000;
const BACKLOG = 1_024;

/** A request with what is read of it. */
type Reading = IncomingMessage & { parts: Buffer[]; response: ServerResponse };

const server = createServer({
  noDelay: true,
  keepAliveTimeout: KEEP_ALIVE_MS,
  requestTimeout: 0,
  headersTimeout: 0,
  connectionsCheckingInterval: 30_000,
});
server.on("request", (request, response) => {
  response.sendDate = false;
  const reading = request as Reading;
  reading.parts = [];
  reading.response = response;
  request.on("data", onData);
  request.on("end", onEnd);
});
server.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => {
  process.stdout.write(`${String((server.address() as AddressInfo).port)}\n`);
});

function onData(this: Reading, bytes: Buffer): void {
  this.parts.push(bytes);
}

function onEnd(this: Reading): void {
  const [first] = this.parts;
  const body = this.parts.length === 1 && first !== undefined ? first : Buffer.concat(this.parts);
  const isJson = contentType(this.rawHeaders) === "application/json";
  if (this.url === "/stream") void stream(this.response, JSON.parse(body.toString("utf8")) as StreamInput);
  else send(this.response, isJson ? answerTo(JSON.parse(body.toString("utf8")) as WorkInput) : answerToBytes(body));
}

/** Without `headers`, which would make an object of them all. */
function contentType(rawHeaders: readonly string[]): string | undefined {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 12 && name.toLowerCase() === "content-type") return rawHeaders[i + 1];
  }
  return undefined;
}

function send(response: ServerResponse, answer: unknown): void {
  const text = JSON.stringify(answer);
  // What is answered here is ASCII, so that its length in bytes is that in characters.
  response.writeHead(200, ["content-type", "application/json", "content-length", String(text.length)]);
  response.end(text, "latin1");
}

async function stream(response: ServerResponse, input: StreamInput): Promise<void> {
  response.writeHead(200, ["content-type", "text/event-stream", "cache-control", "no-cache"]);
  for await (const token of tokens(input)) {
    const isFull = !response.write(`data: ${JSON.stringify(token)}\n\n`, "latin1");
    if (isFull && !response.destroyed) await new Promise<void>((resolve) => response.once("drain", resolve));
    if (response.destroyed) return;
  }
  response.end("data: [DONE]\n\n", "latin1");
}
