import type { IncomingMessage, ServerResponse } from "node:http";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, type ServeError } from "../../core/error.ts";
import { MOST_DISCARDED_BYTES } from "../../core/limits.ts";
import { EMPTY_BODY, isStream, type Body, type BodyStream } from "../../proto/body.ts";
import type { FrontLimits, HttpAnswer, HttpExchange } from "../http-front.ts";
import { IncomingBody } from "../request-body.ts";
import { refusalOf } from "../request-head.ts";
import { readTarget } from "../request-target.ts";
import { writeAnswer, type AnswerOwner } from "./answer.ts";
import type { ServedMessage } from "./served-message.ts";

/** The connection that it came by. */
export interface ExchangeConnection {
  readonly remoteAddress: string;
  /** Where the client came in. */
  readonly address: string;
  readonly port: number;
  readonly limits: FrontLimits;
  /** Whether the answer that leaves now is the last. */
  readonly isClosing: boolean;
  /** An answer was handed to node:http. `mustClose`: nothing that could be understood follows its request. */
  onEnded(exchange: NodeExchange, mustClose: boolean): void;
  /** Ends it so that the client sees that the answer is not whole. */
  breakOff(isEndOfAnswer: boolean): void;
}

const NO_BODY: Promise<Body> = Promise.resolve(EMPTY_BODY);

/**
 * One request of node:http.
 *
 *     asked ── answer() ──▶ answering ── all of it handed to node:http ──▶ ended
 *
 * Its body goes its own way: nobody has asked for it, or it comes in, or what comes is thrown away.
 */
export class NodeExchange implements HttpExchange, AnswerOwner {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly cancellation = new Cancellation();
  readonly refusal: ServeError | undefined;
  readonly request: ServedMessage;
  readonly response: ServerResponse;
  isEnded = false;
  readonly #connection: ExchangeConnection;
  /** The client waits for a 100 before it sends its body. */
  #isAwaited: boolean;
  #incoming: IncomingBody | undefined;
  /** Why the body cannot be had, before somebody asked for it. */
  #bodyError: ServeError | undefined;
  #answerStream: BodyStream | undefined;
  #isDiscarding = false;
  #mustClose = false;

  constructor(connection: ExchangeConnection, request: ServedMessage, response: ServerResponse, isAwaited: boolean) {
    this.#connection = connection;
    this.request = request;
    this.response = response;
    this.#isAwaited = isAwaited;
    this.method = request.method ?? "GET";
    this.headers = request.rawHeaders;
    const { target, refusal } = readTarget(request.url ?? "/", connection);
    this.target = target;
    this.refusal = refusalOf(this.headers, request.httpVersionMinor === 0) ?? refusal;
    response.sendDate = false;
    // Node loses what it read behind a request that might have been an upgrade: nothing may follow on its connection.
    if (request.isUpgradeIgnored) response.shouldKeepAlive = false;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  readBody(mostBytes: number): Promise<Body> {
    const { request } = this;
    const length = bodyLength(request);
    if (length === 0) return NO_BODY;
    if (this.#bodyError !== undefined) return Promise.reject(this.#bodyError);
    const incoming = new IncomingBody({
      length,
      mostBytes,
      now: performance.now(),
      limits: this.#connection.limits,
      pause: () => request.pause(),
      resume: () => request.resume(),
      onUnwanted: () => this.#discard(),
    });
    this.#incoming = incoming;
    if (this.#isDiscarding) return incoming.result;
    if (this.#isAwaited) this.response.writeContinue();
    this.#isAwaited = false;
    request.on("data", (chunk: Buffer) => {
      if (!this.#isDiscarding) incoming.push(chunk);
    });
    if (length === undefined) request.on("end", () => incoming.end());
    return incoming.result;
  }

  answer(answer: HttpAnswer): void {
    const { request, response } = this;
    if (response.headersSent || response.destroyed) {
      if (isStream(answer.body)) answer.body.cancel(new CancelledError("nobody is there to read the answer"));
      return;
    }
    // A client that was told to wait for a 100 and never got it would send its body as the next request.
    const isUnread = this.#isAwaited && bodyLength(request) !== 0;
    const isHttp10 = request.httpVersionMinor === 0;
    const isEndedByClose = isHttp10 && isStream(answer.body) && answer.body.length === undefined;
    const isLast = isUnread || isEndedByClose || this.#connection.isClosing;
    if (this.refusal !== undefined || this.#mustClose || isLast) response.shouldKeepAlive = false;
    if (!request.complete && !isUnread && this.#incoming === undefined && bodyLength(request) !== 0) this.#discard();
    const stream = writeAnswer(response, isHttp10 && response.shouldKeepAlive ? keptAlive(answer) : answer, this);
    if (!this.isEnded) this.#answerStream = stream;
  }

  onAnswerEnded(isWhole: boolean): void {
    this.isEnded = true;
    this.#answerStream = undefined;
    if (!isWhole) {
      this.#connection.breakOff(this.request.httpVersionMinor === 0);
      return;
    }
    if (this.#incoming?.isOver === false) {
      this.#incoming.fail(new CancelledError("the request was answered before all of it had come"));
      this.#discard();
    }
    this.#connection.onEnded(this, this.#mustClose);
  }

  /** Whether more of its body is to come. */
  get isBodyOpen(): boolean {
    return !this.request.complete && bodyLength(this.request) !== 0;
  }

  /** The rest of its body will not come, or cannot be understood: nothing may follow on its connection. */
  failBody(error: ServeError): void {
    this.#mustClose = true;
    if (!this.response.headersSent) this.response.shouldKeepAlive = false;
    this.#bodyError = error;
    this.#incoming?.fail(error);
  }

  checkPace(now: number): void {
    const error = this.#incoming?.checkPace(now);
    if (error !== undefined) this.failBody(error);
  }

  /** The client is gone. */
  cancel(error: CancelledError): void {
    if (this.isEnded && this.response.writableFinished) return;
    this.cancellation.cancel(error);
    this.#bodyError = error;
    this.#incoming?.fail(error);
    this.#answerStream?.cancel(error);
  }

  /** Reads on and keeps nothing; ends the connection of a client that does not stop. */
  #discard(): void {
    this.#isDiscarding = true;
    // A client that still waits for its 100 sends nothing.
    if (this.#isAwaited) return;
    let bytes = 0;
    this.request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MOST_DISCARDED_BYTES) this.request.destroy();
    });
    this.request.resume();
  }
}

/** Without that said, node:http closes after an HTTP/1.0 request whose answer has no length, even where it has no body. */
function keptAlive(answer: HttpAnswer): HttpAnswer {
  return { ...answer, headers: answer.headers.concat("connection", "keep-alive") };
}

/** What was declared: 0 for nothing, undefined for chunks. */
function bodyLength({ headers }: IncomingMessage): number | undefined {
  if (headers["transfer-encoding"] !== undefined) return undefined;
  const length = headers["content-length"];
  return length === undefined ? 0 : Number(length);
}
