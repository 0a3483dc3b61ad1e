import type { Duplex } from "node:stream";
import type { Cancellation } from "../core/cancellation.ts";
import type { ServeError } from "../core/error.ts";
import {
  DRAIN_IDLE_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  READER_STALL_MS,
  REQUEST_READ_TIMEOUT_MS,
  SLOW_BODY_SPAN_MS,
} from "../core/limits.ts";
import type { Address } from "../core/network.ts";
import type { Body } from "../proto/body.ts";

/** One HTTP request and the way to answer it. */
export interface HttpExchange {
  readonly method: string;
  /** Path and query as they came, never an absolute URL. */
  readonly target: string;
  /** Names and values by turns, as they came. */
  readonly headers: readonly string[];
  /** Who is connected: an IP address, without a port. */
  readonly remoteAddress: string;
  /** Cancelled when the client goes away before its answer has left. */
  readonly cancellation: Cancellation;
  /** Why the front, which has understood it, does not want it served; its connection is closed after the answer. */
  readonly refusal: ServeError | undefined;
  /**
   * The body: whole where it has at most MOST_REPLAYED_BODY_BYTES, so that it can be sent again; otherwise, as soon as it
   * is known to be longer, a stream, which reads on only while its receiver keeps up. Rejects with PayloadTooLargeError as
   * soon as it is known to be longer than `mostBytes`, before any of it is read where its length was declared (a stream
   * fails with it); with HttpRequestError (request_timeout) when it comes too slowly; with CancelledError when the client
   * goes away. Called at most once.
   */
  readBody(mostBytes: number): Promise<Body>;
  /**
   * Sends the answer, once; a second call does nothing. Never throws: a client that is gone hears nothing. A stream is
   * received and written as fast as the client reads it; one that fails ends the connection without its last chunk, after
   * `lastWords`. Where the client goes away a stream is cancelled.
   */
  answer(answer: HttpAnswer): void;
}

/** An answer without what belongs to the connection: its length and whether it stays open are the front's business. */
export type HttpAnswer = {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: Body;
  /** What is still written when a stream fails, for instance an event that says so; undefined: nothing. */
  readonly lastWords?: ((error: ServeError) => Uint8Array) | undefined;
};

/** A client that asks for a WebSocket. Nothing is answered yet; the connection is the handler's until it is answered. */
export interface UpgradeExchange {
  /** Path and query as they came. */
  readonly target: string;
  /** Names and values by turns, as they came. */
  readonly headers: readonly string[];
  readonly remoteAddress: string;
  readonly refusal: ServeError | undefined;
  /** Cancelled when the client goes away. */
  readonly cancellation: Cancellation;
  /** Answers without a WebSocket, and closes the connection. */
  refuse(answer: HttpAnswer): void;
  /** Hands over the socket for good, with what was read beyond the request's head; it is paused. */
  accept(): { readonly socket: Duplex; readonly head: Buffer };
}

/** What a front hands requests to. */
export interface ExchangeHandler {
  handle(exchange: HttpExchange): Promise<void>;
  /** GET with `upgrade: websocket`; every other upgrade is ignored, as HTTP allows, and handled as a request. */
  handleUpgrade(exchange: UpgradeExchange): Promise<void>;
  /** Bytes that are no request were answered with this status, and their connection closed. */
  onRefused(status: number): void;
}

/** A front's patience, in milliseconds; tests shorten it. */
export type FrontLimits = {
  readonly headersTimeoutMs: number;
  readonly requestReadTimeoutMs: number;
  readonly slowBodySpanMs: number;
  readonly readerStallMs: number;
  readonly keepAliveMs: number;
  /** How long after draining began idle connections are kept. */
  readonly drainIdleMs: number;
  /** How often a front looks for what is too slow: it is ended this late at most. */
  readonly sweepMs: number;
};

/** As `core/limits.ts` has them. */
export const DEFAULT_FRONT_LIMITS: FrontLimits = {
  headersTimeoutMs: HEADERS_TIMEOUT_MS,
  requestReadTimeoutMs: REQUEST_READ_TIMEOUT_MS,
  slowBodySpanMs: SLOW_BODY_SPAN_MS,
  readerStallMs: READER_STALL_MS,
  keepAliveMs: KEEP_ALIVE_MS,
  drainIdleMs: DRAIN_IDLE_MS,
  sweepMs: 500,
};

/** How a front listens. */
export type ListenOptions = {
  readonly address: Address;
  /** Several processes listen there; the kernel spreads connections over them. */
  readonly isShared: boolean;
};

/** An HTTP/1.1 server. */
export interface HttpFront {
  /** Resolves with the real port. Rejects with the cause, for instance EADDRINUSE. */
  listen(options: ListenOptions): Promise<Address>;
  /** Accepts no more connections, closes idle ones after a moment, and the others after their answer. Resolves when none is left. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): void;
}
