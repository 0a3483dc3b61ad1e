import type { Cancellation } from "../core/cancellation.ts";
import type { RequestId } from "../core/ids.ts";
import type { Body } from "./body.ts";

/** What travels in front of a request's body from a router to a replica. */
export type RequestHead = HttpRequestHead | CallRequestHead;

/** What every request carries. */
type CommonHead = {
  readonly requestId: RequestId;
  /** Milliseconds left until its deadline when it was sent; clocks of two machines are never compared. */
  readonly timeoutMs: number;
  /** Handle calls above it: 0 for one from HTTP. */
  readonly depth: number;
  /** W3C trace context; empty without. */
  readonly traceparent: string;
};

/** An HTTP request, for an ingress; `socket`: one that asks for a WebSocket, whose messages are the two bodies. */
export type HttpRequestHead = CommonHead & {
  readonly kind: "http" | "socket";
  readonly method: string;
  /** Below the route prefix, always with a leading slash, query included. */
  readonly path: string;
  /** The route prefix that was stripped. */
  readonly prefix: string;
  /** Names and values by turns, as they came, without hop-by-hop headers. */
  readonly headers: readonly string[];
};

/** A call of a method through a handle; the body holds the arguments (`codec/value.ts`). */
export type CallRequestHead = CommonHead & {
  readonly kind: "call";
  readonly method: string;
  readonly key: string;
  readonly modelId: string;
  readonly priority: number;
};

/**
 * An answer. For a call: status 200, no headers, and as its body the encoded result, or for a method that yields the
 * encoded items as records (`codec/record.ts`). For a WebSocket: status 101, and the replica's messages as records.
 */
export type Answer = {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: Body;
};

/** What answers requests in a replica; the frame server calls it, the simulation's replicas are one too. */
export interface RequestHandler {
  /** Requests accepted and not yet finished. */
  readonly ongoing: number;
  /**
   * Resolves with the answer; rejects with a ServeError, at once with a ReplicaRefusedError when it takes nothing: then
   * nobody has received the body. A request whose answer is a stream is ongoing until that is settled.
   */
  handle(head: RequestHead, body: Body, cancellation: Cancellation): Promise<Answer>;
}
