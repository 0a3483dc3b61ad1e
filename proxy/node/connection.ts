import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { CancelledError, HttpRequestError, InvalidRequestError, type ServeError } from "../../core/error.ts";
import { MOST_HEADER_BYTES } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import { rawErrorAnswer } from "../error-response.ts";
import type { ExchangeHandler, FrontLimits } from "../http-front.ts";
import type { ExchangeConnection, NodeExchange } from "./exchange.ts";
import { ReaderWatch } from "./reader-watch.ts";
import { NodeUpgrade, type UpgradeConnection } from "./upgrade.ts";

/** Requests sent ahead of their answers before the connection is read no further. */
const MOST_WAITING = 32;
/** What a client that is still sending gets to read its answer and leave; the llhttp front gives it as long. */
const HALF_CLOSED_MS = 2_000;

/** What the connections of a front have in common. */
export type NodeFrontState = {
  readonly handler: ExchangeHandler;
  readonly log: Logger;
  readonly limits: FrontLimits;
  isDraining: boolean;
};

/**
 * One client's connection: its requests one after the other, and the ways in which it ends. Node's parser reads ahead;
 * what a client sends before its last answer waits here, so that a connection never has two requests under way.
 *
 *     serving ── bytes that are no request, CONNECT, a slow head ──▶ refused ── they are answered ──▶ closed
 *         │ ── websocket ──▶ upgraded
 */
export class NodeConnection implements ExchangeConnection, UpgradeConnection {
  readonly socket: Socket;
  readonly #front: NodeFrontState;
  /** The last one that was begun; it may have ended. */
  #current: NodeExchange | undefined;
  readonly #waiting: NodeExchange[] = [];
  #upgrade: NodeUpgrade | undefined;
  /** What follows the requests that wait, and is no request. */
  #refusal: ServeError | undefined;
  #isRefused = false;
  /** Our half is closed, the rest of a body is read and thrown away. */
  #isHalfClosed = false;
  /** No answer follows those that wait: what the client sent behind their requests is not looked at. */
  #isLast = false;
  #isAdvancing = false;
  /** When a sweep first saw it linger: over the rest of an answered request, or until a refused client leaves. */
  #lingerAt: number | undefined;
  readonly #reader: ReaderWatch;

  constructor(socket: Socket, front: NodeFrontState) {
    this.socket = socket;
    this.#front = front;
    this.#reader = new ReaderWatch(socket);
    // Its close says all there is to know, and node:http listens no more once it has handed a socket over.
    socket.on("error", ignore);
    socket.on("close", () => {
      const error = new CancelledError("the client went away");
      this.#upgrade?.cancel(error);
      this.#current?.cancel(error);
      for (const exchange of this.#waiting) exchange.cancel(error);
      this.#waiting.length = 0;
    });
    // node:http calls it after the last answer.
    socket.destroySoon = () => this.#closeSoon();
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? "";
  }

  /** Where the client came in. */
  get address(): string {
    return this.socket.localAddress ?? "";
  }

  get port(): number {
    return this.socket.localPort ?? 0;
  }

  get limits(): FrontLimits {
    return this.#front.limits;
  }

  /** Whether the answer that leaves now is the last. */
  get isClosing(): boolean {
    return this.#front.isDraining;
  }

  /** Whether a request is not yet answered in full. */
  get isBusy(): boolean {
    return this.#current !== undefined && !this.#current.isEnded;
  }

  /** The next request. */
  add(exchange: NodeExchange): void {
    if (this.#isLast) return;
    if (!this.isBusy) {
      this.#begin(exchange);
      return;
    }
    this.#waiting.push(exchange);
    if (this.#waiting.length > MOST_WAITING) this.socket.pause();
  }

  /** The client asks for a WebSocket. */
  upgrade(request: IncomingMessage, head: Buffer): void {
    if (this.#isLast) return;
    if (this.isBusy) {
      const text = "a WebSocket is asked for on a connection whose earlier requests are not yet answered";
      this.refuse(new InvalidRequestError(text));
      return;
    }
    this.#upgrade = new NodeUpgrade(this, request, head);
    const { handler, log } = this.#front;
    handler.handleUpgrade(this.#upgrade).catch((err: unknown) => {
      log.error({ err }, "an upgrade was not answered");
      this.socket.destroy();
    });
  }

  /** Whoever calls this has answered, and with that closes. */
  takeNoMore(): void {
    this.#isLast = true;
  }

  /** The current exchange has its answer. */
  onEnded({ response }: NodeExchange, mustClose: boolean): void {
    if (!mustClose && response.shouldKeepAlive) {
      this.#advance();
      return;
    }
    this.#isLast = true;
    this.#waiting.length = 0;
    // node:http closes by itself where the answer's head says so.
    if (mustClose) afterAnswer(response, () => this.socket.destroySoon());
  }

  /** Ends it so that the client sees that the answer is not whole. */
  breakOff(isEndOfAnswer: boolean): void {
    this.#isLast = true;
    this.#waiting.length = 0;
    // Without chunks a clean close would be the answer's end.
    if (isEndOfAnswer) this.socket.resetAndDestroy();
    else this.socket.destroySoon();
  }

  /** What node:http says of bytes that are no request, of a slow head, or of the socket. */
  onClientError(error: NodeJS.ErrnoException): void {
    if (this.#isLast) return;
    if (error.code === "ECONNRESET" || error.code === "EPIPE") {
      this.socket.destroy();
      return;
    }
    const last = this.#waiting.at(-1) ?? this.#current;
    // Bytes behind a request that is the last are nobody's.
    if (last?.isBodyOpen === false && !last.response.shouldKeepAlive) return;
    if (last?.isBodyOpen !== true) this.refuse(parseError(error));
    // The rest of a body: of one whose answer has left, or whose client has.
    else if (last.isEnded || error.code === "HPE_INVALID_EOF_STATE") this.socket.destroySoon();
    else last.failBody(parseError(error));
  }

  /** Answers what is not served, after all that came before it, and closes the connection. */
  refuse(error: ServeError): void {
    if (this.#isLast) return;
    this.#isLast = true;
    this.#refusal = error;
    this.#advance();
  }

  /** Ends what is too slow. */
  check(now: number): void {
    if (this.#upgrade?.isRefused === false) return;
    const current = this.#current;
    current?.checkPace(now);
    if (this.#reader.isStalled(now, this.limits.readerStallMs)) {
      this.socket.resetAndDestroy();
      return;
    }
    if (current?.isEnded === true && current.response.writableFinished && !current.isBodyOpen)
      this.#current = undefined;
    const lingerMs = this.#mostLingerMs();
    if (lingerMs === undefined) this.#lingerAt = undefined;
    else if (this.#lingerAt === undefined) this.#lingerAt = now;
    else if (now - this.#lingerAt >= lingerMs) this.socket.destroy();
  }

  /** Begins what waits, one by one. A loop, for many may be answered as soon as they begin. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (!this.isBusy && this.#waiting.length > 0) {
      const next = this.#waiting.shift();
      if (this.#waiting.length === MOST_WAITING) this.socket.resume();
      if (next !== undefined) this.#begin(next);
    }
    this.#isAdvancing = false;
    const refusal = this.#refusal;
    if (refusal === undefined || this.isBusy) return;
    this.#refusal = undefined;
    if (this.#current === undefined) this.#writeRefusal(refusal);
    else afterAnswer(this.#current.response, () => this.#writeRefusal(refusal));
  }

  #begin(exchange: NodeExchange): void {
    this.#current = exchange;
    const { handler, log } = this.#front;
    handler.handle(exchange).catch((err: unknown) => {
      log.error({ err }, "a request was not answered");
      this.socket.destroy();
    });
  }

  #writeRefusal(error: ServeError): void {
    this.#isRefused = true;
    const { socket } = this;
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const { status, text } = rawErrorAnswer(error);
    this.#front.handler.onRefused(status);
    // Closed only when the client has closed, or has had time to: bytes left unread would cost it the answer.
    socket.once("end", () => socket.destroy());
    socket.end(text);
    socket.resume();
  }

  /**
   * Closes after what was written. Where the rest of a body is still coming, its client may read only when it has sent all
   * of it, and bytes that arrive at a closed socket would cost it the answer: only our half is closed, and the rest read.
   */
  #closeSoon(): void {
    const { socket } = this;
    const current = this.#current;
    if (current?.isBodyOpen !== true || socket.destroyed || this.#isHalfClosed) {
      Socket.prototype.destroySoon.call(socket);
      return;
    }
    this.#isHalfClosed = true;
    socket.end();
    current.request.once("end", () => socket.destroy());
    current.request.resume();
  }

  /** How long it may go on as it is; undefined: as long as it likes. */
  #mostLingerMs(): number | undefined {
    if (this.#isRefused) return this.limits.sweepMs;
    if (this.#isHalfClosed) return HALF_CLOSED_MS;
    const current = this.#current;
    if (current?.isEnded === true && current.isBodyOpen) return this.limits.requestReadTimeoutMs;
    // node:http closes what is idle when it drains, and does not call idle what never was in use.
    return this.#front.isDraining && this.socket.bytesRead === 0 ? this.limits.sweepMs : undefined;
  }
}

function ignore(): void {}

/** Calls back when node:http, which may still have earlier ones to write, has written this answer. */
function afterAnswer(response: ServerResponse, then: () => void): void {
  if (response.writableFinished) then();
  else response.once("finish", then);
}

/** What a parse error or time-out is told the client as. */
function parseError(error: NodeJS.ErrnoException): ServeError {
  switch (error.code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new HttpRequestError("request_timeout", "the request did not arrive in time");
    case "HPE_HEADER_OVERFLOW":
      return new HttpRequestError("headers_too_large", `the request's head has more than ${MOST_HEADER_BYTES} bytes`);
    default:
      return new InvalidRequestError("these bytes are not a valid HTTP/1.1 request");
  }
}
