import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, PayloadTooLargeError } from "../../core/error.ts";
import type { ServeError } from "../../core/error.ts";
import { MOST_REPLAYED_BODY_BYTES } from "../../core/limits.ts";
import { BodyStream, isStream, type Body, type BodyProducer } from "../../proto/body.ts";
import type { HttpAnswer, HttpExchange } from "../../proxy/http-front.ts";
import { readableOf } from "../../worker/replica/readable-body.ts";

/** Statuses whose answers have no body. */
const BODILESS = new Set([204, 205, 304]);

/** A web-standard request in the proxy's words: what a socket is elsewhere, two promises are here. */
export class RequestExchange implements HttpExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly remoteAddress = "127.0.0.1";
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

  async readBody(mostBytes: number): Promise<Body> {
    const bytes = new Uint8Array(await this.#request.arrayBuffer());
    if (bytes.byteLength > mostBytes) {
      const text = `the body is longer than the ${mostBytes} bytes allowed here (maxRequestBodyBytes)`;
      throw new PayloadTooLargeError(text);
    }
    if (bytes.byteLength <= MOST_REPLAYED_BODY_BYTES) return bytes.byteLength === 0 ? [] : [bytes];
    return new WrittenBody(bytes).body;
  }

  answer({ status, headers: pairs, body, lastWords }: HttpAnswer): void {
    const headers = new Headers();
    for (let at = 0; at + 1 < pairs.length; at += 2) headers.append(pairs[at] ?? "", pairs[at + 1] ?? "");
    const hasBody = !BODILESS.has(status) && this.method !== "HEAD";
    if (!hasBody && isStream(body)) body.cancel(new CancelledError("the answer has no place for a body"));
    const content = !hasBody ? null : isStream(body) ? this.#readable(body, lastWords) : Buffer.concat(body);
    this.#response.resolve(new Response(content, { status, headers }));
  }

  /** The body as the response's; who reads it hears of a failure after what was to be said last. */
  #readable(body: BodyStream, lastWords: HttpAnswer["lastWords"]): ReadableStream<Uint8Array<ArrayBuffer>> {
    const unsubscribe = this.cancellation.onCancel((reason) => body.cancel(reason));
    body.onSettled(unsubscribe);
    return readableOf(body, lastWords);
  }
}

/** Bytes that are all there, as a stream: what a front makes of a body too long to be kept. */
class WrittenBody implements BodyProducer {
  readonly body: BodyStream;

  constructor(bytes: Uint8Array) {
    this.body = new BodyStream(this, bytes.byteLength);
    this.body.write(bytes);
    this.body.end();
  }

  onConsumed(): void {}

  onCancel(): void {}
}
