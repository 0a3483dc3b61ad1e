import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { HttpRequestError, InvalidRequestError, ServeError } from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import { HEADERS_TIMEOUT_MS, MOST_HEADER_BYTES, MOST_HEADERS } from "../../core/limits.ts";
import type { Address } from "../../core/network.ts";
import { problemResponse } from "../../core/problem.ts";
import { type AdminApiDeps, answerAdmin } from "./admin-api.ts";
import type { AdminRequest, AdminResponse } from "./admin-request.ts";

/** The REST surface for CLI and SDK on node:http: sockets to requests, answers to sockets, errors to problems. */

const PREFIX = "/api/v1/";
/** An upload of the largest blob over a slow line takes long; one that stands still does not take longer than this. */
const IDLE_TIMEOUT_MS = 30_000;

/** A listening admin server. */
export type AdminServer = {
  /** With the real port. */
  readonly address: Address;
  /** Ends every connection and frees the port. Never rejects. */
  close(): Promise<void>;
};

/**
 * Serves the admin API on `address` (port 0: a free one).
 *
 * @throws {Error} when the port cannot be bound; `code` is the system's, such as EADDRINUSE
 */
export async function serveAdmin(
  deps: AdminApiDeps & { readonly log: Logger },
  address: Address,
): Promise<AdminServer> {
  const options = { maxHeaderSize: MOST_HEADER_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 };
  const server = createServer(options, (request, response) => {
    answer(deps, request, response).catch((err: unknown) => {
      deps.log.error({ err }, "an admin request could not be answered");
      response.destroy();
    });
  });
  server.maxHeadersCount = MOST_HEADERS + 1;
  server.timeout = IDLE_TIMEOUT_MS;
  const port = await listen(server, address);
  return {
    address: { host: address.host, port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, address: Address): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound !== null ? bound.port : address.port);
    });
  });
}

async function answer(
  deps: AdminApiDeps & { readonly log: Logger },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    write(response, await answerAdmin(deps, requestOf(request)), request.method === "HEAD");
  } catch (thrown) {
    const error = ServeError.from(thrown);
    if (error.code === "internal") deps.log.error({ err: thrown, url: request.url }, "an admin request failed");
    const { status, headers, body } = problemResponse(error, "");
    const pairs: Record<string, string> = {};
    for (let i = 0; i + 1 < headers.length; i += 2) pairs[headers[i] ?? ""] = headers[i + 1] ?? "";
    // What is left of an upload is not read to its end.
    if (!request.complete) pairs["connection"] = "close";
    write(response, { status, headers: pairs, body }, request.method === "HEAD");
  }
}

function write(response: ServerResponse, { status, headers, body }: AdminResponse, isHead: boolean): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body), "cache-control": "no-store" });
  response.end(isHead ? undefined : body);
}

function requestOf(request: IncomingMessage): AdminRequest {
  if (request.rawHeaders.length / 2 > MOST_HEADERS) {
    throw new HttpRequestError("headers_too_large", `a request has at most ${MOST_HEADERS} headers`);
  }
  const url = URL.parse(request.url ?? "/", "http://admin");
  if (url === null) throw new InvalidRequestError("the request's URL is none; see /api/v1/openapi.json");
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(", ") : value;
  const isBelow = url.pathname.startsWith(PREFIX);
  return {
    method: request.method ?? "GET",
    path: isBelow ? url.pathname.slice(PREFIX.length).split("/").map(decoded) : [],
    query: url.searchParams,
    headers,
    body: request,
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (thrown) {
    throw new InvalidRequestError("the path is not well encoded", { cause: thrown });
  }
}
