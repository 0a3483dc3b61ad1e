import type { Duplex } from "node:stream";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, type ServeError } from "../../core/error.ts";
import { EMPTY_BODY, isStream, type Body } from "../../proto/body.ts";
import type { HttpAnswer, HttpExchange, UpgradeExchange } from "../http-front.ts";
import { refusalOf } from "../request-head.ts";
import { readTarget } from "../request-target.ts";
import type { InboundBody } from "./inbound-body.ts";
import type { Head } from "./parser.ts";
import type { StreamedAnswer } from "./streamed-answer.ts";
import type { Wire } from "./wire.ts";

/** The connection of an exchange. */
export interface ExchangeOwner {
  readonly wire: Wire;
  /** Writes the answer; called once. */
  answer(exchange: LlhttpExchange, answer: HttpAnswer): void;
  /** Lets go of the socket; with it what was read beyond the head. */
  handOver(): { readonly socket: Duplex; readonly head: Buffer };
}

const NO_BODY: Promise<Body> = Promise.resolve(EMPTY_BODY);

/**
 * One request on its connection, or one for a WebSocket.
 *
 *     asked ── answer() ──▶ answering ── all of it handed to the socket ──▶ ended
 */
export class LlhttpExchange implements HttpExchange, UpgradeExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly remoteAddress: string;
  readonly cancellation = new Cancellation();
  readonly refusal: ServeError | undefined;
  readonly head: Head;
  /** undefined: the request has no body. */
  readonly inbound: InboundBody | undefined;
  /** On its way, where it streams. */
  stream: StreamedAnswer | undefined;
  isEnded = false;
  #mustClose = false;
  readonly #owner: ExchangeOwner;
  #isAnswering = false;
  /** The client waits for a 100 before it sends its body. */
  #isAwaited: boolean;

  constructor(owner: ExchangeOwner, head: Head, inbound: InboundBody | undefined) {
    this.#owner = owner;
    this.head = head;
    this.inbound = inbound;
    this.method = head.method;
    this.headers = head.headers;
    this.remoteAddress = owner.wire.remoteAddress;
    // Most targets are paths; only others need to know where the client has connected to.
    const isPath = head.url.startsWith("/");
    const absolute = isPath ? undefined : readTarget(head.url, owner.wire.local);
    this.target = absolute?.target ?? head.url;
    this.refusal = refusalOf(head.headers, head.isHttp10) ?? absolute?.refusal;
    // A client of HTTP/1.0 knows no 100.
    this.#isAwaited = inbound !== undefined && head.expects === "continue" && !head.isHttp10;
  }

  /** Whether another request may follow on the connection, as far as this one tells. */
  get isKeepAlive(): boolean {
    // A client that was told to wait for a 100 and never got it would send its body as the next request.
    if (this.#mustClose || this.#isAwaited || this.refusal !== undefined) return false;
    return this.head.isKeepAlive && this.inbound?.error === undefined;
  }

  /** Whether more of its body is to come. */
  get isBodyOpen(): boolean {
    return this.inbound !== undefined && !this.inbound.isComplete;
  }

  readBody(mostBytes: number): Promise<Body> {
    const { inbound } = this;
    if (inbound === undefined) return NO_BODY;
    const body = inbound.read(mostBytes);
    if (this.#isAwaited && inbound.isWanted && !this.isEnded && this.#owner.wire.isOpen) {
      this.#isAwaited = false;
      this.#owner.wire.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return body;
  }

  answer(answer: HttpAnswer): void {
    if (!this.#isAnswering && this.#owner.wire.isOpen) {
      this.#isAnswering = true;
      this.#owner.answer(this, answer);
    } else if (isStream(answer.body)) answer.body.cancel(new CancelledError("nobody waits for this answer"));
  }

  refuse(answer: HttpAnswer): void {
    this.#mustClose = true;
    this.answer(answer);
  }

  accept(): { readonly socket: Duplex; readonly head: Buffer } {
    this.#isAnswering = true;
    this.isEnded = true;
    return this.#owner.handOver();
  }

  /** The client is gone. */
  cancel(error: CancelledError): void {
    this.inbound?.breakOff(error);
    if (this.isEnded) return;
    this.cancellation.cancel(error);
    this.stream?.onGone(error);
  }
}
