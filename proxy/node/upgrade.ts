import { ServerResponse, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, type ServeError } from "../../core/error.ts";
import { isStream, type BodyStream } from "../../proto/body.ts";
import type { HttpAnswer, UpgradeExchange } from "../http-front.ts";
import { refusalOf } from "../request-head.ts";
import { readTarget } from "../request-target.ts";
import { writeAnswer, type AnswerOwner } from "./answer.ts";

/** What a client may send before it is told that its WebSocket is open; none in use sends anything. */
const MOST_EARLY_BYTES = 64 * 1024;

/** The connection that it came by. */
export interface UpgradeConnection {
  readonly socket: Socket;
  readonly remoteAddress: string;
  /** Where the client came in. */
  readonly address: string;
  readonly port: number;
  breakOff(isEndOfAnswer: boolean): void;
}

/** A request for a WebSocket, on a socket that node:http has let go of. */
export class NodeUpgrade implements UpgradeExchange, AnswerOwner {
  readonly method = "GET";
  readonly target: string;
  readonly headers: readonly string[];
  readonly remoteAddress: string;
  readonly refusal: ServeError | undefined;
  readonly cancellation = new Cancellation();
  readonly #request: IncomingMessage;
  readonly #connection: UpgradeConnection;
  #early: Buffer[];
  #earlyBytes = 0;
  #answerStream: BodyStream | undefined;
  #isDone = false;
  #isHandedOver = false;

  constructor(connection: UpgradeConnection, request: IncomingMessage, head: Buffer) {
    this.#connection = connection;
    this.#request = request;
    this.#early = [head];
    const { target, refusal } = readTarget(request.url ?? "/", connection);
    this.target = target;
    this.headers = request.rawHeaders;
    this.remoteAddress = connection.remoteAddress;
    this.refusal = refusalOf(this.headers, false) ?? refusal;
    // It is read so that a client that goes away is noticed.
    connection.socket.on("data", this.#onData);
    connection.socket.on("end", this.#onEnd);
  }

  refuse(answer: HttpAnswer): void {
    const { socket } = this.#connection;
    if (this.#isDone || socket.destroyed) {
      if (isStream(answer.body)) answer.body.cancel(new CancelledError("nobody is there to read the answer"));
      return;
    }
    this.#letGo();
    const response = new ServerResponse(this.#request);
    response.sendDate = false;
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    this.#answerStream = writeAnswer(response, answer, this);
    socket.resume();
  }

  accept(): { readonly socket: Duplex; readonly head: Buffer } {
    this.#letGo();
    this.#isHandedOver = true;
    const { socket } = this.#connection;
    socket.pause();
    return { socket, head: Buffer.concat(this.#early) };
  }

  onAnswerEnded(isWhole: boolean): void {
    const { socket } = this.#connection;
    if (isWhole) socket.destroySoon();
    else this.#connection.breakOff(false);
  }

  /** Whether it was answered without a WebSocket: then its client is to read that and leave. */
  get isRefused(): boolean {
    return this.#isDone && !this.#isHandedOver;
  }

  /** The client is gone. How an open WebSocket ends is the business of whoever took it. */
  cancel(error: CancelledError): void {
    if (this.#isHandedOver) return;
    this.cancellation.cancel(error);
    this.#answerStream?.cancel(error);
  }

  #letGo(): void {
    this.#isDone = true;
    this.#connection.socket.off("data", this.#onData);
    this.#connection.socket.off("end", this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes > MOST_EARLY_BYTES) this.#connection.socket.destroy();
  };

  readonly #onEnd = (): void => {
    this.#connection.socket.destroy();
  };
}
