import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, PayloadTooLargeError } from "../../core/error.ts";
import type { ServeError } from "../../core/error.ts";
import type { HttpAnswer, HttpExchange } from "../../proxy/http-front.ts";

/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);

/** A web-standard request in the proxy's words: what a socket is elsewhere, two promises are here. */
export class RequestExchange implements HttpExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly cancellation = new Cancellation();
  readonly refusal: ServeError | undefined = undefined;
  readonly #request: Request;
  readonly #response = Promise.withResolvers<Response>();

  constructor(request: Request) {
    const url = new URL(request.url);
    this.#request = request;
    this.method = request.method;
    this.target = url.pathname + url.search;
    this.headers = ["host", url.host, ...[...request.headers].flat()];
    const onAbort = (): void => {
      this.cancellation.cancel(new CancelledError("the caller aborted the request"));
      this.#response.reject(request.signal.reason);
    };
    if (request.signal.aborted) onAbort();
    else request.signal.addEventListener("abort", onAbort, { once: true });
  }

  /** Resolves with the answer; rejects with the signal's reason when the request is aborted before it. */
  get response(): Promise<Response> {
    return this.#response.promise;
  }

  async readBody(mostBytes: number): Promise<readonly Uint8Array[]> {
    const bytes = new Uint8Array(await this.#request.arrayBuffer());
    if (bytes.byteLength <= mostBytes) return bytes.byteLength === 0 ? [] : [bytes];
    throw new PayloadTooLargeError(`the body is longer than the ${mostBytes} bytes allowed here (maxRequestBodyBytes)`);
  }

  answer({ status, headers: pairs, body }: HttpAnswer): void {
    const headers = new Headers();
    for (let at = 0; at + 1 < pairs.length; at += 2) headers.append(pairs[at] ?? "", pairs[at + 1] ?? "");
    const hasBody = !BODILESS.has(status) && this.method !== "HEAD";
    this.#response.resolve(new Response(hasBody ? Buffer.concat(body) : null, { status, headers }));
  }
}
