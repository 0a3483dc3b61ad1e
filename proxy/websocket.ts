/**
 * WebSockets of clients. The proxy speaks the protocol; between it and the replica each message is a record of one of the
 * two bodies (`proto/codec/record.ts`).
 *
 *     asked ── the replica answers 101 ──▶ open ── a close frame from either side, or the socket is lost ──▶ closed
 *           ── anything else: a plain HTTP answer                                       ── the answer has settled ──▶ ended
 *
 *     the client closes        the replica gets CLOSE and the end of its messages, and SOCKET_CLOSE_MS to end its own
 *     the client is lost       the messages fail, the answer is cancelled
 *     the replica closes       its code and reason go to the client; without CLOSE 1000; an answer that fails 1011
 *     the proxy drains         1001 to the client, and as its CLOSE to the replica
 *
 * Backpressure: reading pauses while the replica has STREAM_WINDOW_BYTES of messages before it, and what the client has
 * not read is not counted as used up. A client is pinged every SOCKET_PING_MS, by one timer for all.
 */
import { validateHeaderName, validateHeaderValue, type IncomingMessage } from "node:http";
import { WebSocketServer, type WebSocket } from "ws";
import type { Clock, Timer } from "../core/clock.ts";
import {
  CancelledError,
  DeploymentUnavailableError,
  HandlerError,
  InternalError,
  type ServeError,
} from "../core/error.ts";
import {
  MOST_CLIENT_CONNECTIONS,
  MOST_MISSED_PONGS,
  MOST_PINGS_PER_SECOND,
  MOST_SOCKET_MESSAGE_BYTES,
  SOCKET_CLOSE_MS,
  SOCKET_PING_MS,
  STREAM_WINDOW_BYTES,
} from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { BodyStream, isStream, type BodyProducer, type BodyReceiver } from "../proto/body.ts";
import { RECORD, RecordReader, type RecordKind } from "../proto/codec/record.ts";
import type { Answer } from "../proto/exchange.ts";
import { writeRecord } from "../proto/record-stream.ts";
import type { UpgradeExchange } from "./http-front.ts";
import type { HttpSeries } from "./http-metrics.ts";
import { chooseProtocol, SOCKET_VERSION, type Handshake } from "./websocket-handshake.ts";

/** What WebSockets are made of. */
export type ClientSocketsDeps = { readonly clock: Clock; readonly log: Logger };

/** How a WebSocket is opened. */
export type OpenOptions = {
  readonly handshake: Handshake;
  /** The replica's: status 101, and its messages. */
  readonly answer: Answer;
  /** Of the 101, names and values by turns, beside those of the handshake itself. */
  readonly headers: readonly string[];
  /** Where it is counted, and since when. */
  readonly series: HttpSeries;
  readonly startedAt: number;
};

/** The request that `ws` answers: it reads its method and headers. */
type HandshakeRequest = IncomingMessage & { readonly answerLines: readonly string[] };

/** Reading begins again when so much of the window is free. */
const RESUME_BYTES = STREAM_WINDOW_BYTES / 2;
/** Longest reason that fits a close frame. */
const MOST_REASON_BYTES = 123;
/** What `ws` says of a close frame that had no code, and of a connection that ended without one. */
const WITHOUT_CODE = 1_005;
const WITHOUT_CLOSE = 1_006;
const RETRY_AFTER_SECONDS = 1;

const SERVER_OPTIONS = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: MOST_SOCKET_MESSAGE_BYTES,
  skipUTF8Validation: false,
  // Pings are counted before they are answered.
  autoPong: false,
  closeTimeout: SOCKET_CLOSE_MS,
};

/** All WebSockets of a proxy. */
export class ClientSockets {
  readonly #deps: ClientSocketsDeps;
  readonly #server = new WebSocketServer(SERVER_OPTIONS);
  readonly #open = new Set<ClientSocket>();
  #timer: Timer | undefined;
  #isDraining = false;
  #onEmpty: (() => void)[] = [];

  constructor(deps: ClientSocketsDeps) {
    this.#deps = deps;
    this.#server.on("headers", (lines, request) => {
      lines.push(...(request as HandshakeRequest).answerLines);
    });
  }

  /**
   * A socket for a client that asks for one; its messages can be sent to a replica, and come once it is open.
   *
   * @throws {DeploymentUnavailableError} when there may be no more.
   */
  create(): ClientSocket {
    if (this.#isDraining || this.#open.size >= MOST_CLIENT_CONNECTIONS) {
      const why = this.#isDraining ? "this proxy is being drained" : "this proxy has as many WebSockets as it may";
      const details = { retryAfterSeconds: RETRY_AFTER_SECONDS };
      throw new DeploymentUnavailableError(`${why}: connect again`, { details });
    }
    return new ClientSocket(this.#deps);
  }

  /**
   * Answers with 101; from then on messages flow.
   *
   * @throws {HandlerError} when the replica's answer cannot be given.
   */
  open(socket: ClientSocket, exchange: UpgradeExchange, options: OpenOptions): void {
    const { handshake, answer, headers, series, startedAt } = options;
    const replicaMessages = answer.body;
    if (!isStream(replicaMessages)) throw new HandlerError("the deployment agreed to a WebSocket and sent no stream");
    const request = upgradeRequest(handshake, chooseProtocol(handshake, answer.headers), headers);
    const { socket: connection, head } = exchange.accept();
    this.#open.add(socket);
    series.socketOpened();
    socket.onEnded(() => {
      this.#open.delete(socket);
      series.socketEnded((this.#deps.clock.now() - startedAt) / 1_000);
      if (this.#open.size === 0) for (const listener of this.#onEmpty.splice(0)) listener();
    });
    this.#timer ??= this.#deps.clock.after(SOCKET_PING_MS, () => this.#sweep());
    let isOpen = false;
    this.#server.handleUpgrade(request, connection, head, (ws) => {
      isOpen = true;
      socket.open(ws, replicaMessages);
      if (this.#isDraining) socket.goAway();
    });
    // It calls back at once, or the client has gone.
    if (!isOpen) socket.abandon(replicaMessages);
  }

  /** Tells every client to go elsewhere. Resolves when all have; takes no new ones from now on. */
  drain(): Promise<void> {
    this.#isDraining = true;
    for (const socket of this.#open) socket.goAway();
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#onEmpty.push(resolve));
  }

  /** Cuts every connection. */
  close(): void {
    this.#isDraining = true;
    this.#timer?.cancel();
    for (const socket of this.#open) socket.cut();
  }

  #sweep(): void {
    for (const socket of this.#open) socket.ping();
    this.#timer = this.#open.size === 0 ? undefined : this.#deps.clock.after(SOCKET_PING_MS, () => this.#sweep());
  }
}

/** One client's WebSocket. */
export class ClientSocket {
  readonly #deps: ClientSocketsDeps;
  readonly #messages = new ClientMessages();
  #ws: WebSocket | undefined;
  readonly #pings = { count: 0, since: 0 };
  #missedPongs = 0;
  #endedListener: () => void = () => {};

  constructor(deps: ClientSocketsDeps) {
    this.#deps = deps;
  }

  /** What the client sends. */
  get messages(): BodyStream {
    return this.#messages.body;
  }

  /** Calls back once when nothing is left of it. */
  onEnded(listener: () => void): void {
    this.#endedListener = listener;
  }

  /** The handshake is done. */
  open(ws: WebSocket, answer: BodyStream): void {
    this.#ws = ws;
    ws.on("ping", (data) => this.#onPing(ws, data));
    ws.on("pong", () => (this.#missedPongs = 0));
    ws.on("error", (err) => this.#deps.log.debug({ err }, "a WebSocket of a client failed"));
    ws.on("close", (code, reason) => this.#onClose(answer, code, reason));
    this.#messages.open(ws);
    answer.receive(new ReplicaMessages(ws, answer, this.#deps.log));
    ws.resume();
  }

  /** The client went away before it was open. */
  abandon(answer: BodyStream): void {
    const error = new CancelledError("the client went away before its WebSocket was open");
    this.messages.fail(error);
    answer.cancel(error);
    this.#endedListener();
  }

  /** The proxy drains. */
  goAway(): void {
    if (this.#ws !== undefined) closeSocket(this.#ws, 1_001, "the server is going away");
  }

  /** Cuts the connection. */
  cut(): void {
    this.#ws?.terminate();
  }

  /** Asks whether the client is there; one that has not said so for long is cut off. */
  ping(): void {
    const ws = this.#ws;
    if (ws === undefined || ws.readyState !== ws.OPEN) return;
    if (this.#missedPongs >= MOST_MISSED_PONGS) {
      ws.terminate();
      return;
    }
    // While nothing is read a pong cannot be seen; a client that has gone is then seen by what cannot be written.
    if (!ws.isPaused) this.#missedPongs++;
    ws.ping();
  }

  #onPing(ws: WebSocket, data: Buffer): void {
    const now = this.#deps.clock.now();
    if (now - this.#pings.since >= 1_000) {
      this.#pings.since = now;
      this.#pings.count = 0;
    }
    if (++this.#pings.count > MOST_PINGS_PER_SECOND) closeSocket(ws, 1_008, "too many pings");
    else ws.pong(data);
  }

  /** The connection is gone. */
  #onClose(answer: BodyStream, code: number, reason: Buffer): void {
    answer.onSettled(() => this.#endedListener());
    if (code === WITHOUT_CLOSE) {
      const error = new CancelledError("the client's WebSocket was lost");
      this.messages.fail(error);
      answer.cancel(error);
      return;
    }
    this.#messages.close(code, reason);
    if (answer.isSettled) return;
    const error = new CancelledError("the client closed its WebSocket, and the application did not in time");
    const timer = this.#deps.clock.after(SOCKET_CLOSE_MS, () => answer.cancel(error));
    answer.onSettled(() => timer.cancel());
  }
}

/** From the client to the replica. */
class ClientMessages implements BodyProducer {
  readonly body = new BodyStream(this);
  #ws: WebSocket | undefined;

  open(ws: WebSocket): void {
    this.#ws = ws;
    ws.on("message", (data, isBinary) => this.#write(ws, data as Buffer, isBinary));
  }

  /** The client closed. */
  close(code: number, reason: Buffer): void {
    writeRecord(this.body, RECORD.CLOSE, code === WITHOUT_CODE ? [] : [Uint8Array.of(code >> 8, code & 0xff), reason]);
    this.body.end();
  }

  onConsumed(): void {
    if (this.#ws?.isPaused === true && this.body.outstandingBytes <= RESUME_BYTES) this.#ws.resume();
  }

  /** The replica reads no more; what still comes is thrown away, so that the client's close is seen. */
  onCancel(): void {
    this.#ws?.resume();
  }

  #write(ws: WebSocket, message: Buffer, isBinary: boolean): void {
    if (ws.readyState !== ws.OPEN || this.body.isSettled) return;
    writeRecord(this.body, isBinary ? RECORD.BINARY : RECORD.TEXT, [message]);
    if (this.body.outstandingBytes >= STREAM_WINDOW_BYTES) ws.pause();
  }
}

/** From the replica to the client. */
class ReplicaMessages implements BodyReceiver {
  readonly #ws: WebSocket;
  readonly #answer: BodyStream;
  readonly #log: Logger;
  readonly #reader = new RecordReader(MOST_SOCKET_MESSAGE_BYTES, (kind, payload) => this.#send(kind, payload));
  readonly #onSent = (): void => this.#repay();
  /** Received, and not yet said to be used up. */
  #owedBytes = 0;

  constructor(ws: WebSocket, answer: BodyStream, log: Logger) {
    this.#ws = ws;
    this.#answer = answer;
    this.#log = log;
    ws.on("close", this.#onSent);
  }

  onData(bytes: Uint8Array): void {
    this.#owedBytes += bytes.byteLength;
    const problem = this.#reader.push(bytes);
    if (problem !== undefined) {
      this.#log.error({ problem }, "a replica's WebSocket messages cannot be read");
      closeSocket(this.#ws, 1_011, "internal");
      this.#answer.cancel(new InternalError(`a replica's WebSocket messages cannot be read: ${problem}`));
    }
    this.#repay();
  }

  onEnd(): void {
    if (this.#reader.isWithin) closeSocket(this.#ws, 1_011, "internal");
    else closeSocket(this.#ws, 1_000, "");
    this.#repay();
  }

  onError(error: ServeError): void {
    closeSocket(this.#ws, 1_011, error.code);
  }

  #send(kind: RecordKind, payload: Uint8Array): void {
    const ws = this.#ws;
    if (ws.readyState !== ws.OPEN) return;
    if (kind === RECORD.CLOSE) {
      const code = payload.byteLength < 2 ? 1_000 : ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
      closeSocket(ws, code, payload.subarray(2));
    } else ws.send(payload, { binary: kind !== RECORD.TEXT }, this.#onSent);
  }

  /** Says what is used up: all that came, once the client's connection has taken most of it; so a record may be longer than the window. */
  #repay(): void {
    const ws = this.#ws;
    if (this.#owedBytes === 0 || (ws.readyState === ws.OPEN && ws.bufferedAmount > RESUME_BYTES)) return;
    const bytes = this.#owedBytes;
    this.#owedBytes = 0;
    this.#answer.consumed(bytes);
  }
}

/** Begins to close a socket that is open, with a code that may be sent. */
function closeSocket(ws: WebSocket, code: number, reason: string | Uint8Array): void {
  if (ws.readyState !== ws.OPEN) return;
  if (!isCloseCode(code)) ws.close(1_011);
  else if (reason.length > MOST_REASON_BYTES) ws.close(code);
  else ws.close(code, Buffer.from(reason));
  // The client's own close frame must be read for this to end.
  ws.resume();
}

/** Codes that an endpoint may send (RFC 6455 §7.4, with those registered since). */
function isCloseCode(code: number): boolean {
  if (code >= 3_000 && code <= 4_999) return true;
  return code >= 1_000 && code <= 1_014 && (code < 1_004 || code > 1_006);
}

/** What `ws` reads of a request. */
function upgradeRequest(
  { key }: Handshake,
  protocol: string | undefined,
  headers: readonly string[],
): HandshakeRequest {
  const offered = protocol === undefined ? {} : { "sec-websocket-protocol": protocol };
  const request: Partial<HandshakeRequest> = {
    method: "GET",
    headers: { upgrade: "websocket", "sec-websocket-key": key, "sec-websocket-version": SOCKET_VERSION, ...offered },
    answerLines: linesOf(headers),
  };
  return request as HandshakeRequest;
}

function linesOf(headers: readonly string[]): string[] {
  const lines: string[] = [];
  try {
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? "";
      const value = headers[at + 1] ?? "";
      // The handshake itself says it, with what was chosen.
      if (name.toLowerCase() === "sec-websocket-protocol") continue;
      validateHeaderName(name);
      validateHeaderValue(name, value);
      lines.push(`${name}: ${value}`);
    }
  } catch (cause) {
    throw new HandlerError("the answer to an upgrade has a header that HTTP does not allow", { cause });
  }
  return lines;
}
