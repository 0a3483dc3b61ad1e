/** One request to send. What is left out: GET, the load's own path, no headers, no body. */
export type LoadRequest = {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly path?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | Uint8Array | undefined;
  /** The client goes away this long after it sent the request, unless the answer was there before. */
  readonly cancelAfterMs?: number | undefined;
};

/** A request as it goes over the wire. */
export type EncodedRequest = {
  /** Head and body, in order. */
  readonly parts: readonly Uint8Array[];
  /** Its answer has no body whatever the headers say. */
  readonly isHead: boolean;
  readonly cancelAfterMs: number | undefined;
};

/** Where a load goes. */
export type LoadTarget = {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Value of the `host` header. */
  readonly authority: string;
  /** Path and query of requests that name none. */
  readonly path: string;
};

/** Bodies up to this are copied behind their head, so that a small request is one write. */
const ONE_WRITE_BYTES = 16 * 1024;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A head is sent a byte a character: one beyond latin-1 would lose half of itself, and what is left may end a line. */
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/** Reads a URL; undefined when it is none that a load can go to. */
export function readTarget(text: string): LoadTarget | undefined {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === "") return undefined;
  const isTls = url.protocol === "https:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  // A socket is given the bare address of `http://[::1]:80`.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { host, port, isTls, authority: url.host, path: `${url.pathname}${url.search}` };
}

/**
 * A request as bytes, with the headers it must have.
 *
 * @throws {TypeError} for a method, a path or a header that would break out of its line.
 */
export function encodeRequest(target: LoadTarget, request: LoadRequest): EncodedRequest {
  const method = request.method ?? "GET";
  const path = request.path ?? target.path;
  if (!TOKEN.test(method)) throw new TypeError(`"${method}" is no HTTP method`);
  if (!/^[!-~]+$/.test(path)) throw new TypeError("a path has characters that must be percent-encoded");
  const body = typeof request.body === "string" ? Buffer.from(request.body) : request.body;
  const names = new Set<string>();
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (!TOKEN.test(name) || FORBIDDEN_IN_VALUE.test(value))
      throw new TypeError(`"${name}" is no header that can be sent`);
    names.add(name.toLowerCase());
    head += `${name}: ${value}\r\n`;
  }
  if (!names.has("host")) head += `host: ${target.authority}\r\n`;
  const takesBody = body !== undefined || !/^(GET|HEAD|DELETE|OPTIONS)$/.test(method);
  if (takesBody && !names.has("content-length")) head += `content-length: ${String(body?.byteLength ?? 0)}\r\n`;
  const headBytes = Buffer.from(`${head}\r\n`, "latin1");
  const parts = body === undefined || body.byteLength === 0 ? [headBytes] : joinSmall(headBytes, body);
  return { parts, isHead: method === "HEAD", cancelAfterMs: request.cancelAfterMs };
}

function joinSmall(head: Uint8Array, body: Uint8Array): readonly Uint8Array[] {
  return body.byteLength <= ONE_WRITE_BYTES ? [Buffer.concat([head, body])] : [head, body];
}
