import type { Cancellation } from "../core/cancellation.ts";
import type { ServeError } from "../core/error.ts";
import type { Address } from "../core/network.ts";

/** One HTTP request and the way to answer it. */
export interface HttpExchange {
  readonly method: string;
  /** Path and query as they came, never an absolute URL. */
  readonly target: string;
  /** Names and values by turns, as they came. */
  readonly headers: readonly string[];
  /** Cancelled when the client goes away before its answer has left. */
  readonly cancellation: Cancellation;
  /** Why the front, which has understood it, does not want it served; its connection is closed after the answer. */
  readonly refusal: ServeError | undefined;
  /**
   * The whole body. Rejects with PayloadTooLargeError as soon as it is known to be longer than `mostBytes`, before any of
   * it is read where its length was declared; with QueueFullError when the front holds too much of other requests' bodies;
   * with CancelledError when the client goes away.
   */
  readBody(mostBytes: number): Promise<readonly Uint8Array[]>;
  /** Sends the whole answer, once; a second call does nothing. Never throws: a client that is gone hears nothing. */
  answer(answer: HttpAnswer): void;
}

/** An answer without what belongs to the connection: its length and whether it stays open are the front's business. */
export type HttpAnswer = {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: readonly Uint8Array[];
};

/** What a front hands requests to. */
export interface ExchangeHandler {
  handle(exchange: HttpExchange): Promise<void>;
  /** Bytes that are no request were answered with this status, and their connection closed. */
  onRefused(status: number): void;
}

/** An HTTP/1.1 server. */
export interface HttpFront {
  /** Resolves with the real port. Rejects with the cause, for instance EADDRINUSE. */
  listen(address: Address): Promise<Address>;
  /** Accepts no more connections, closes idle ones, and the others after their answer. Resolves when none is left. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): void;
}
