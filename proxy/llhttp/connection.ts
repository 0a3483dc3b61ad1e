/**
 * One client's connection: its requests one after the other.
 *
 *     idle ── a whole head ──▶ request under way ── answered, and its body has all come ──▶ idle
 *       │                          └─ it must be the last ──▶ wire.end()
 *       ├── bytes that are no request, a slow head, CONNECT ──▶ refused, wire.end()
 *       └── a WebSocket is accepted ──▶ handed over
 *
 * What a client sends ahead of its answer is held, up to a bound, and not parsed before that; so answers keep their order,
 * and there is never more than one request under way. `#advance` is the only place that goes on to the next one.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CancelledError, HttpRequestError, InvalidRequestError, type ServeError } from "../../core/error.ts";
import { MOST_HEADER_BYTES } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Lent } from "../../core/network.ts";
import { adopt, type ReadListener } from "../../proto/socket-reads.ts";
import { rawErrorAnswer } from "../error-response.ts";
import type { ExchangeHandler, FrontLimits, HttpAnswer } from "../http-front.ts";
import { isEndedByClose, writeAnswer } from "./answer.ts";
import { LlhttpExchange, type ExchangeOwner } from "./exchange.ts";
import type { FlushQueue } from "./flush-queue.ts";
import { InboundBody } from "./inbound-body.ts";
import type { Head, RequestParser } from "./parser.ts";
import { Wire } from "./wire.ts";

/** What the connections of a front have in common. */
export type FrontParts = {
  readonly handler: ExchangeHandler;
  readonly log: Logger;
  readonly limits: FrontLimits;
  readonly parser: RequestParser;
  readonly flushes: FlushQueue;
  readonly connections: Set<Connection>;
  isDraining: boolean;
  /** It has drained for so long that nothing more is expected on connections that are idle. */
  closesIdle: boolean;
};

const UNEXPECTED = "HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
/** One for all: its stack would tell nothing, and making one is dearer than a request. */
const ANSWERED_EARLY = new CancelledError("the request was answered before all of it had come");
const CR = 13;
const LF = 10;

/** Reads requests from one socket and answers them; see the head of this file. */
export class Connection implements ExchangeOwner, ReadListener {
  readonly wire: Wire;
  readonly #front: FrontParts;
  readonly #socket: Socket;
  #exchange: LlhttpExchange | undefined;
  /** Read, and not yet understood: part of a head, or what comes after the request under way. */
  #held: Buffer | undefined;
  #isAdvancing = false;
  #isHandedOver = false;
  /** Since when a head has been due; undefined: none is. */
  #headAt: number | undefined = performance.now();
  /** When a sweep first saw it idle. */
  #idleAt: number | undefined;

  /** @param accepted by a server with `pauseOnConnect`, half open. */
  constructor(accepted: Socket, front: FrontParts) {
    const socket = adopt(accepted, this, true);
    this.#socket = socket;
    this.#front = front;
    this.wire = new Wire(socket, front.limits, front.flushes);
    front.connections.add(this);
    socket.on("end", this.#onEnd);
    socket.on("drain", this.#onDrain);
    // Its close says all there is to know.
    socket.on("error", ignore);
    socket.on("close", () => this.#onClose());
  }

  answer(exchange: LlhttpExchange, answer: HttpAnswer): void {
    const { method, inbound } = exchange;
    const { isHttp10 } = exchange.head;
    const isEndedBySocket = isEndedByClose(answer, isHttp10);
    const isKeepAlive = exchange.isKeepAlive && !this.#front.isDraining && !isEndedBySocket;
    // Who has not asked for the body by now will not.
    if (inbound?.isUnread === true) inbound.discard(ANSWERED_EARLY);
    const stream = writeAnswer(this.wire, answer, { method, isHttp10, isKeepAlive });
    if (stream === undefined) {
      this.#onAnswered(exchange, isKeepAlive);
      return;
    }
    exchange.stream = stream;
    stream.start((isWhole) => {
      exchange.stream = undefined;
      if (isWhole) this.#onAnswered(exchange, isKeepAlive && !this.#front.isDraining);
      else {
        exchange.isEnded = true;
        this.wire.breakOff(isEndedBySocket);
      }
    });
  }

  handOver(): { readonly socket: Duplex; readonly head: Buffer } {
    this.#isHandedOver = true;
    const socket = this.#socket;
    socket.pause();
    socket.off("end", this.#onEnd);
    socket.off("drain", this.#onDrain);
    // Where it is read as Node reads: what is pushed to the stream would come back from it.
    socket.removeAllListeners("data");
    const head = this.#held ?? Buffer.alloc(0);
    this.#held = undefined;
    return { socket, head };
  }

  /** For the sweep: ends what is too slow. */
  check(now: number): void {
    if (this.#isHandedOver) return;
    this.wire.check(now);
    if (this.#front.closesIdle && this.#isIdle(now)) this.wire.end(false);
    if (!this.wire.isOpen) return;
    const exchange = this.#exchange;
    const { headersTimeoutMs, keepAliveMs } = this.#front.limits;
    if (exchange !== undefined) {
      // A body that nobody wants any more may not come for ever.
      if (exchange.inbound?.checkPace(now) === true && exchange.isEnded) this.wire.destroy();
    } else if (this.#headAt !== undefined) {
      if (now - this.#headAt < headersTimeoutMs) return;
      this.#refuse(new HttpRequestError("request_timeout", "the request did not arrive in time"));
    } else {
      this.#idleAt ??= now;
      if (now - this.#idleAt >= keepAliveMs) this.wire.end(false);
    }
  }

  /** Closes it, even what was handed over. */
  close(): void {
    this.wire.destroy();
  }

  onData(chunk: Buffer): boolean {
    // Whoever has it now reads it as a stream.
    if (this.#isHandedOver) return this.#socket.push(chunk);
    if (this.wire.isOpen) {
      this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
      this.#advance();
    } else this.wire.discard(chunk.length);
    return true;
  }

  /** The next part of a body, most of the time: that may be on its way before this returns. */
  onLentData(chunk: Buffer, onFree: () => void): Lent {
    const isNext = this.#held === undefined && !this.#isHandedOver && this.wire.isOpen;
    const lent = isNext ? this.#exchange?.inbound?.lend(chunk, onFree) : undefined;
    if (lent === undefined) {
      this.onData(chunk);
      return "kept";
    }
    this.#advance();
    return lent;
  }

  readonly #onDrain = (): void => {
    this.#exchange?.stream?.onDrain();
    this.#advance();
  };

  /** The client sends no more. One that waits for an answer cannot be told from one that is gone, and is taken as gone. */
  readonly #onEnd = (): void => {
    if (!this.wire.isOpen) return;
    if (this.#exchange !== undefined) this.wire.destroy();
    else if (this.#held === undefined) this.wire.end(false);
    else this.#refuse(new InvalidRequestError("the connection ended before the request's head did"));
  };

  #onClose(): void {
    this.#front.connections.delete(this);
    if (!this.#isHandedOver) this.#exchange?.cancel(new CancelledError("the client went away"));
    this.#exchange = undefined;
    this.#held = undefined;
  }

  /** Whether closing it would cost nobody a request. */
  #isIdle(now: number): boolean {
    if (this.#exchange !== undefined || this.#held !== undefined) return false;
    // What a client sent that waited to be accepted may not have been read yet.
    return this.#headAt === undefined || now - this.#headAt >= this.#front.limits.sweepMs;
  }

  /** Goes on as far as what was read allows. */
  #advance(): void {
    // A handler may answer before it returns.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    let isGoingOn = true;
    try {
      while (isGoingOn) isGoingOn = this.#step();
    } finally {
      this.#isAdvancing = false;
    }
    this.#updateFlow();
  }

  /** One request's head, or what there is of its body, or its end. False: nothing more can be done for now. */
  #step(): boolean {
    const exchange = this.#exchange;
    const held = this.#held;
    if (exchange === undefined) return held !== undefined && this.#begin(held);
    if (exchange.isBodyOpen && held !== undefined) this.#feed(exchange, held);
    if (!exchange.isEnded || exchange.isBodyOpen || !this.wire.isOpen) return false;
    this.#exchange = undefined;
    return true;
  }

  #begin(held: Buffer): boolean {
    // A client that does not read its answers gets no further ones.
    if (!this.wire.isOpen || this.wire.isFull) return false;
    const bytes = withoutLeadingBreaks(held);
    const head = bytes.length === 0 ? undefined : this.#front.parser.parseHead(bytes);
    if (head === undefined) {
      this.#held = bytes.length === 0 ? undefined : bytes;
      if (bytes.length > 0) this.#headAt ??= performance.now();
      return false;
    }
    if (head.kind === "failure") {
      this.#refuse(head.error);
      return false;
    }
    this.#headAt = undefined;
    this.#idleAt = undefined;
    this.#held = bytes.length > head.bytes ? bytes.subarray(head.bytes) : undefined;
    if (head.method === "CONNECT") {
      const text = "this is not a forward proxy: CONNECT is not served here";
      this.#refuse(new HttpRequestError("method_not_allowed", text));
    } else if (head.expects === "unknown" && !head.isHttp10) {
      this.#front.handler.onRefused(417);
      this.wire.write(UNEXPECTED);
      this.wire.end(true);
    } else this.#start(head);
    return true;
  }

  #start(head: Head): void {
    const exchange = new LlhttpExchange(this, head, head.bodyLength === 0 ? undefined : this.#inbound(head));
    this.#exchange = exchange;
    if (exchange.inbound !== undefined && this.#held !== undefined) this.#feed(exchange, this.#held);
    const { handler, log } = this.#front;
    const isUpgrade = head.upgrade === "websocket" && head.method === "GET" && !head.isHttp10;
    (isUpgrade ? handler.handleUpgrade(exchange) : handler.handle(exchange)).catch((err: unknown) => {
      log.error({ err }, "a request was not answered");
      this.wire.destroy();
    });
  }

  #inbound(head: Head): InboundBody {
    return new InboundBody({
      length: head.bodyLength,
      chunked: head.bodyLength === undefined ? this.#front.parser.takeChunked() : undefined,
      limits: this.#front.limits,
      onFlow: () => this.#updateFlow(),
    });
  }

  #feed(exchange: LlhttpExchange, held: Buffer): void {
    const takenBytes = exchange.inbound?.take(held) ?? 0;
    this.#held = takenBytes < held.length ? held.subarray(takenBytes) : undefined;
    if (exchange.inbound?.isFlooded === true) this.wire.destroy();
  }

  #onAnswered(exchange: LlhttpExchange, isKeepAlive: boolean): void {
    exchange.isEnded = true;
    if (exchange.isBodyOpen) exchange.inbound?.discard(ANSWERED_EARLY);
    if (isKeepAlive) this.#advance();
    // What is not read, now or later, would reset the connection behind the answer.
    else this.wire.end(exchange.isBodyOpen || this.#held !== undefined);
  }

  /** Answers what is not served, and closes the connection. */
  #refuse(error: ServeError): void {
    const { status, text } = rawErrorAnswer(error);
    this.#front.handler.onRefused(status);
    this.#held = undefined;
    this.wire.writeUtf8(text);
    this.wire.end(true);
  }

  #updateFlow(): void {
    if (!this.wire.isOpen || this.#isHandedOver) return;
    const isAhead = this.#exchange !== undefined && (this.#held?.length ?? 0) > MOST_HEADER_BYTES;
    const isFull = this.#exchange === undefined && this.#held !== undefined && this.wire.isFull;
    this.wire.setPaused(isAhead || isFull || this.#exchange?.inbound?.isBlocked === true);
  }
}

function ignore(): void {}

/** Some clients send a line break behind a body; llhttp would skip it too, but a head would seem to have begun. */
function withoutLeadingBreaks(bytes: Buffer): Buffer {
  let at = 0;
  while (bytes[at] === CR || bytes[at] === LF) at++;
  return at === 0 ? bytes : bytes.subarray(at);
}
