import type { ServerResponse } from "node:http";
import { InternalError, type ServeError } from "../../core/error.ts";
import { byteLengthOf, isStream, type BodyReceiver, type BodyStream } from "../../proto/body.ts";
import { errorAnswer } from "../error-response.ts";
import type { HttpAnswer } from "../http-front.ts";
import { headerOf } from "../../proto/header-of.ts";

/** Answers up to this leave as one string together with their head; more is cheaper by reference. */
const ONE_WRITE_BYTES = 4_096;

/** Who wants to know how an answer ended. */
export interface AnswerOwner {
  readonly method: string;
  /** All of it was handed to node:http, or what could be: the connection is over. */
  onAnswerEnded(isWhole: boolean): void;
}

/**
 * Writes an answer. One that streams is returned: it has ended when the owner is told so, within this call or later;
 * whole ones are handed over when this returns, and the owner is told too.
 */
export function writeAnswer(response: ServerResponse, answer: HttpAnswer, owner: AnswerOwner): BodyStream | undefined {
  const { status, headers, body } = answer;
  const hasBody = status !== 204 && status !== 304;
  if (!isStream(body)) {
    writeWhole(response, { status, headers, body: hasBody ? body : undefined }, owner);
    return undefined;
  }
  const isWanted = hasBody && owner.method !== "HEAD";
  if (!writeHead(response, status, isWanted ? withLength(headers, body.length) : headers)) {
    body.cancel(new InternalError("the answer's head cannot be sent: a header has a character that HTTP forbids"));
    owner.onAnswerEnded(true);
    return undefined;
  }
  if (!isWanted) {
    body.cancel(new InternalError("the answer's body was not asked for"));
    response.end();
    owner.onAnswerEnded(true);
    return undefined;
  }
  new StreamedAnswer(response, body, { lastWords: answer.lastWords, owner }).start();
  return body;
}

/** `body` undefined: the status allows none, nor a length. */
function writeWhole(
  response: ServerResponse,
  {
    status,
    headers,
    body,
  }: Pick<HttpAnswer, "status" | "headers"> & { readonly body: readonly Uint8Array[] | undefined },
  owner: AnswerOwner,
): void {
  const bytes = body === undefined ? 0 : byteLengthOf(body);
  const isHead = owner.method === "HEAD";
  // An answer to HEAD may name the length that GET would have.
  const isLengthOurs =
    body !== undefined && !(isHead && (bytes === 0 || headerOf(headers, "content-length") !== undefined));
  if (writeHead(response, status, isLengthOurs ? withLength(headers, bytes) : headers)) {
    if (body === undefined || isHead || bytes === 0) response.end();
    else if (bytes <= ONE_WRITE_BYTES) response.end(latin1(body), "latin1");
    else {
      response.cork();
      for (const part of body) response.write(part);
      response.end();
      response.uncork();
    }
  }
  owner.onAnswerEnded(true);
}

/** False, and an error is sent instead, where node:http refuses a header or the status: they come from replicas. */
function writeHead(response: ServerResponse, status: number, headers: readonly string[]): boolean {
  try {
    response.writeHead(status, headers as string[]);
    return true;
  } catch (cause) {
    const error = new InternalError("the deployment's answer has a status or a header that HTTP forbids", { cause });
    const { status: own, headers: ownHeaders, body } = errorAnswer(error, "");
    let text = "";
    if (!isStream(body)) text = latin1(body);
    response.writeHead(own, withLength(ownHeaders, text.length));
    response.end(text, "latin1");
    return false;
  }
}

function withLength(headers: readonly string[], bytes: number | undefined): string[] {
  return headers.concat(bytes === undefined ? [] : ["content-length", String(bytes)]);
}

/** Small bodies as the text that node:http puts behind the head in the same write. */
function latin1(body: readonly Uint8Array[]): string {
  let text = "";
  for (const part of body) {
    const bytes = part instanceof Buffer ? part : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    text += bytes.toString("latin1");
  }
  return text;
}

/** An answer's body on its way to a client that reads as fast as it likes. */
class StreamedAnswer implements BodyReceiver {
  readonly #response: ServerResponse;
  readonly #body: BodyStream;
  readonly #lastWords: HttpAnswer["lastWords"];
  readonly #owner: AnswerOwner;
  #sentBytes = 0;
  /** Written, but node:http asked to wait before more is. */
  #unconsumedBytes = 0;

  constructor(
    response: ServerResponse,
    body: BodyStream,
    { lastWords, owner }: { readonly lastWords: HttpAnswer["lastWords"]; readonly owner: AnswerOwner },
  ) {
    this.#response = response;
    this.#body = body;
    this.#lastWords = lastWords;
    this.#owner = owner;
  }

  start(): void {
    this.#response.on("drain", () => {
      const bytes = this.#unconsumedBytes;
      this.#unconsumedBytes = 0;
      if (bytes > 0) this.#body.consumed(bytes);
    });
    this.#body.receive(this);
    // The head leaves at once even where the first bytes are still to come.
    if (this.#sentBytes === 0 && !this.#body.isSettled) this.#response.flushHeaders();
  }

  onData(bytes: Uint8Array): void {
    this.#sentBytes += bytes.byteLength;
    const { length } = this.#body;
    if (length !== undefined && this.#sentBytes > length) {
      const error = new InternalError("an answer is longer than it said it would be");
      this.#body.cancel(error);
      this.onError(error);
      return;
    }
    if (this.#response.write(bytes)) this.#body.consumed(bytes.byteLength);
    else this.#unconsumedBytes += bytes.byteLength;
  }

  onEnd(): void {
    const { length } = this.#body;
    if (length !== undefined && this.#sentBytes < length) {
      this.onError(new InternalError("an answer is shorter than it said it would be"));
      return;
    }
    this.#response.end();
    this.#owner.onAnswerEnded(true);
  }

  onError(error: ServeError): void {
    // Where the length was declared nothing may be put in place of what is missing.
    const words = this.#body.length === undefined ? this.#lastWords?.(error) : undefined;
    if (words !== undefined && !this.#response.destroyed) this.#response.write(words);
    this.#owner.onAnswerEnded(false);
  }
}
