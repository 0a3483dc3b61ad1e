/**
 * One keep-alive connection of a load: a request, its whole answer, then the next request. It never sends anything
 * twice, so that what a server does to a request is what the load reports.
 *
 *     idle ⇄ busy, either ─▶ closed: by the server, by an error, after an answer that says so, or by the load
 */
import type { Socket } from "node:net";
import { type AnswerListener, AnswerParser } from "./answer-parser.ts";
import type { EncodedRequest } from "./load-request.ts";

/** What is told of one exchange: an answer's parts, then exactly one of `onEnd` and `onFailure`. */
export interface ExchangeListener extends AnswerListener {
  onEnd(): void;
  /** A socket error's code, `truncated` for an answer that was cut off, `malformed` for one that is no HTTP. */
  onFailure(code: string): void;
}

/** What the owner of connections hears. */
export interface ConnectionOwner {
  onIdle(connection: HttpConnection): void;
  onClosed(connection: HttpConnection): void;
}

/** See the head of this file. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser = new AnswerParser();
  #listener: ExchangeListener | undefined;
  #errorCode = "";
  #isClosed = false;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#onData(bytes));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#errorCode = error.code ?? "error";
    });
    // A server closes what was idle for long; what is written after that would be lost.
    socket.on("end", () => {
      if (this.#listener === undefined) this.destroy();
    });
    socket.on("close", () => this.#onClose());
  }

  /** Sends a request on an idle connection. */
  send(request: EncodedRequest, listener: ExchangeListener): void {
    this.#listener = listener;
    this.#parser.begin(listener, request.isHead);
    const { parts } = request;
    if (parts.length > 1) this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    if (parts.length > 1) this.#socket.uncork();
  }

  /** Closes at once; the exchange under way hears nothing more. */
  destroy(): void {
    this.#listener = undefined;
    this.#socket.destroy();
    this.#leave();
  }

  #onData(bytes: Buffer): void {
    const listener = this.#listener;
    const progress = listener === undefined ? "broken" : this.#parser.push(bytes);
    // The listener may have given up in the midst of it.
    if (progress === "more" || (listener !== undefined && this.#listener === undefined)) return;
    this.#listener = undefined;
    // A server that answers before it has read the whole request will not read the next one either.
    const isReusable = progress === "done" && this.#parser.keepsAlive && this.#socket.writableLength === 0;
    if (isReusable) this.#owner.onIdle(this);
    else this.destroy();
    if (progress === "done") listener?.onEnd();
    else listener?.onFailure("malformed");
  }

  #onClose(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#leave();
    if (listener === undefined) return;
    const isEnd = this.#errorCode === "" && this.#parser.close() === "done";
    if (isEnd) listener.onEnd();
    else if (this.#parser.hasHead) listener.onFailure("truncated");
    // Closed without a word looks to a caller as a reset does, and Node's own client calls it so.
    else listener.onFailure(this.#errorCode === "" ? "ECONNRESET" : this.#errorCode);
  }

  #leave(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.onClosed(this);
  }
}
