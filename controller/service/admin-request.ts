import { InvalidRequestError, PayloadTooLargeError } from "../../core/error.ts";

/** A request to the admin API, apart from its socket. */
export type AdminRequest = {
  readonly method: string;
  /** Below `/api/v1/`, decoded part by part. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
};

/** Its answer. */
export type AdminResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** A JSON body: a specification with its OpenAPI document is some 100 KB, this is generous. */
const MOST_JSON_BYTES = 16 * 1024 * 1024;

/** An answer of JSON. */
export function jsonResponse(status: number, value: unknown): AdminResponse {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/** An answer of text. */
export function textResponse(contentType: string, body: string): AdminResponse {
  return { status: 200, headers: { "content-type": contentType }, body };
}

/** An answer without a body. */
export function emptyResponse(status: number): AdminResponse {
  return { status, headers: {}, body: "" };
}

/**
 * Reads a JSON body.
 *
 * @throws {PayloadTooLargeError} when it is over the limit
 * @throws {InvalidRequestError} when it is not JSON
 */
export async function readJson(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MOST_JSON_BYTES) {
      throw new PayloadTooLargeError(`the body has more than ${MOST_JSON_BYTES} bytes; assets belong into the bundle`);
    }
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (thrown) {
    throw new InvalidRequestError("the body is not JSON", { cause: thrown });
  }
}

/**
 * Reads a JSON object; no body at all is one without fields.
 *
 * @throws {PayloadTooLargeError} when it is over the limit
 * @throws {InvalidRequestError} when it is not a JSON object
 */
export async function readFields({ headers, body }: AdminRequest): Promise<Readonly<Record<string, unknown>>> {
  if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) return {};
  const value = await readJson(body);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidRequestError("the body must be a JSON object; see /api/v1/openapi.json");
}
