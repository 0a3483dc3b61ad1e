import type { Cancellation } from "../../core/cancellation.ts";
import { HandlerError, InvalidRequestError } from "../../core/error.ts";
import { MOST_FRAME_BODY_BYTES } from "../../core/limits.ts";
import type { Answer, HttpRequestHead } from "../../proto/exchange.ts";
import { headersOf } from "./request.ts";

/** A web-standard Request for an ingress with `fetch`: the path below the prefix, which stands in `x-forwarded-prefix`. */
export function toRequest(head: HttpRequestHead, body: Uint8Array, cancellation: Cancellation): Request {
  const { method, path, prefix } = head;
  const headers = headersOf(head.headers);
  headers.set("x-forwarded-prefix", prefix);
  const host = headers.get("host") ?? "";
  const hasBody = body.byteLength > 0 && method !== "GET" && method !== "HEAD";
  const init = {
    method,
    headers,
    signal: cancellation.signal,
    ...(hasBody ? { body: body as Uint8Array<ArrayBuffer> } : {}),
  };
  const origin = `http://${URL.canParse(`http://${host}/`) ? host : "localhost"}`;
  try {
    return new Request(origin + path, init);
  } catch (cause) {
    throw new InvalidRequestError("the request's method, path or headers cannot be handled here", { cause });
  }
}

/** Whether something is a Response, of whichever copy of the class. */
export function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  if (typeof value !== "object" || value === null) return false;
  const { status, headers, arrayBuffer } = value as Partial<Response>;
  return typeof status === "number" && typeof headers === "object" && typeof arrayBuffer === "function";
}

/**
 * A Response as an answer, its body gathered.
 *
 * @throws {HandlerError} when it has no usable status, or a body larger than can be sent.
 */
export async function fromResponse(response: Response, cancellation: Cancellation): Promise<Answer> {
  const { status } = response;
  if (!(status >= 200 && status <= 599)) throw new HandlerError(`a Response with status ${status} cannot be sent`);
  const headers: string[] = [];
  for (const [name, value] of response.headers) headers.push(name, value);
  return { status, headers, body: await gather(response, cancellation) };
}

async function gather(response: Response, cancellation: Cancellation): Promise<readonly Uint8Array[]> {
  if (response.body === null || response.body === undefined) return [];
  const reader = response.body.getReader();
  const unsubscribe = cancellation.onCancel((reason) => void reader.cancel(reason).catch(() => undefined));
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return chunks;
      if (!ArrayBuffer.isView(value)) throw new HandlerError("the body of a Response gave something other than bytes");
      bytes += value.byteLength;
      if (bytes > MOST_FRAME_BODY_BYTES) {
        throw new HandlerError(
          `the body of a Response is larger than the ${MOST_FRAME_BODY_BYTES} bytes that can be sent`,
        );
      }
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    unsubscribe();
  }
}
