/**
 * A replica's door. Routers connect, say HELLO with the replica's id and its call secret, and send requests as frames
 * (`proto/frame/frame.ts`); each gets exactly one answer, a cancelled one too.
 *
 *     connection:  connected → (HELLO right, in time) greeted → closed
 *
 * A connection that breaks cancels the requests that came over it: whoever asked is gone. What a request does, and
 * whether it is taken at all, is the handler's business.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Cancellation } from "../../core/cancellation.ts";
import type { Clock, Defer, Timer } from "../../core/clock.ts";
import { CancelledError, HandlerError, PermissionDeniedError, ServeError } from "../../core/error.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { MOST_FRAME_BODY_BYTES, MOST_FRAME_HEAD_BYTES, REPLICA_CONNECT_TIMEOUT_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Address, ByteSocket, Listener, Network } from "../../core/network.ts";
import {
  answerHeadToWire,
  errorToWire,
  helloFromWire,
  requestHeadFromWire,
  welcomeToWire,
} from "../../proto/codec/exchange.ts";
import type { Answer, RequestHandler } from "../../proto/exchange.ts";
import { FrameConnection, type FrameListener } from "../../proto/frame/connection.ts";
import { FRAME, type FrameKind } from "../../proto/frame/frame.ts";

/** What a frame server is made of. */
export type ReplicaServerDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: Network;
  /** The end of the event loop's turn, when coalesced frames are written. */
  readonly defer: Defer;
  readonly address: Address;
  readonly replicaId: ReplicaId;
  /** What routers must present. */
  readonly callSecret: string;
  readonly handler: RequestHandler;
};

/** A replica's door: routers connect to it and send requests as frames. */
export interface ReplicaServer {
  /** Where it listens, with the real port. */
  readonly address: Address;
  /** Tells every router, now and when it connects, to send nothing new; what is ongoing goes on. */
  goAway(): void;
  /**
   * Stops listening, gives routers a moment to take the answers that are on their way to them and to close their
   * connections, then closes what is left; what is still ongoing then is cancelled.
   */
  close(): Promise<void>;
}

/** Bounds for a peer that has not said who it is: enough for a HELLO. */
const STRANGER_BOUNDS = { mostHeadBytes: 1_024, mostBodyBytes: 0 } as const;
const ROUTER_BOUNDS = { mostHeadBytes: MOST_FRAME_HEAD_BYTES, mostBodyBytes: MOST_FRAME_BODY_BYTES } as const;

/** How long routers get to close their connections; on one machine they need a millisecond. */
const LINGER_MS = 500;

/** Starts to listen. Rejects with the network's cause when it cannot. */
export async function serveReplica(deps: ReplicaServerDeps): Promise<ReplicaServer> {
  const links = new Set<RouterLink>();
  const state = { isGoingAway: false, onLastGone: (): void => {} };
  const listener: Listener = await deps.network.listen(deps.address, (socket) => {
    const link = new RouterLink(deps, socket, state, () => {
      links.delete(link);
      if (links.size === 0) state.onLastGone();
    });
    links.add(link);
    return link.connection;
  });
  const goAway = (): void => {
    if (state.isGoingAway) return;
    state.isGoingAway = true;
    for (const link of links) link.goAway();
  };
  return {
    address: listener.address,
    goAway,
    async close() {
      goAway();
      await listener.close();
      await new Promise<void>((resolve) => {
        const timer = deps.clock.after(LINGER_MS, resolve);
        state.onLastGone = () => {
          timer.cancel();
          resolve();
        };
        if (links.size === 0) state.onLastGone();
      });
      for (const link of links) link.connection.close("the replica ends");
    },
  };
}

/** One router's connection. */
class RouterLink implements FrameListener {
  readonly connection: FrameConnection;
  readonly #deps: ReplicaServerDeps;
  readonly #server: { readonly isGoingAway: boolean };
  readonly #onGone: () => void;
  readonly #helloTimer: Timer;
  readonly #ongoing = new Map<number, Cancellation>();
  #isGreeted = false;

  constructor(deps: ReplicaServerDeps, socket: ByteSocket, server: { isGoingAway: boolean }, onGone: () => void) {
    this.#deps = deps;
    this.#server = server;
    this.#onGone = onGone;
    this.connection = new FrameConnection({ socket, defer: deps.defer, bounds: STRANGER_BOUNDS, listener: this });
    this.#helloTimer = deps.clock.after(REPLICA_CONNECT_TIMEOUT_MS, () => this.connection.close("no HELLO in time"));
  }

  goAway(): void {
    if (this.#isGreeted) this.connection.send(FRAME.GOAWAY, 0, "");
  }

  onFrame(kind: FrameKind, stream: number, head: string, body: Uint8Array): void {
    if (!this.#isGreeted) this.#greet(kind, head);
    else if (kind === FRAME.REQUEST) this.#begin(stream, head, body);
    else if (kind === FRAME.CANCEL) this.#cancel(stream);
    else this.connection.close(`a router sent a frame of kind ${kind}`);
  }

  onClose(reason: string): void {
    this.#helloTimer.cancel();
    this.#onGone();
    for (const cancellation of this.#ongoing.values()) {
      cancellation.cancel(new CancelledError(`the connection to the caller is gone: ${reason}`));
    }
    this.#ongoing.clear();
  }

  #greet(kind: FrameKind, head: string): void {
    const { replicaId, callSecret, handler, log } = this.#deps;
    const hello = kind === FRAME.HELLO ? helloFromWire(head) : undefined;
    if (hello === undefined || hello.replicaId !== replicaId || !isSameSecret(hello.callSecret, callSecret)) {
      // Not who it asked for is the normal case: another process got the port of one that crashed.
      log.debug({ replica: replicaId, reason: "wrong hello" }, "a connection was refused");
      this.#sendError(0, new PermissionDeniedError("this is another replica, or the secret is wrong"));
      this.connection.close("wrong hello");
      return;
    }
    this.#helloTimer.cancel();
    this.#isGreeted = true;
    this.connection.bounds = ROUTER_BOUNDS;
    this.connection.send(FRAME.WELCOME, 0, welcomeToWire(handler.ongoing));
    if (this.#server.isGoingAway) this.goAway();
  }

  #begin(stream: number, headText: string, body: Uint8Array): void {
    if (this.#ongoing.has(stream)) {
      this.connection.close("a router used a stream twice");
      return;
    }
    const cancellation = new Cancellation();
    this.#ongoing.set(stream, cancellation);
    this.#handle(headText, body, cancellation).then(
      (answer) => this.#sendAnswer(stream, cancellation, answer),
      (error: unknown) => this.#sendFailure(stream, cancellation, error),
    );
  }

  #handle(headText: string, body: Uint8Array, cancellation: Cancellation): Promise<Answer> {
    try {
      return this.#deps.handler.handle(requestHeadFromWire(headText), body, cancellation);
    } catch (error) {
      return Promise.reject(ServeError.from(error));
    }
  }

  #cancel(stream: number): void {
    // A CANCEL may cross the answer on its way; then there is nothing to do.
    this.#ongoing.get(stream)?.cancel(new CancelledError("the caller is gone, or its deadline has passed"));
  }

  #sendAnswer(stream: number, cancellation: Cancellation, answer: Answer): void {
    if (!this.#finish(stream, cancellation)) return;
    let head: string;
    try {
      head = answerHeadToWire(answer, this.#deps.handler.ongoing);
      assertBodyFits(answer.body);
    } catch (error) {
      this.#sendError(stream, ServeError.from(error));
      return;
    }
    this.connection.send(FRAME.ANSWER, stream, head, answer.body);
  }

  #sendFailure(stream: number, cancellation: Cancellation, thrown: unknown): void {
    if (!this.#finish(stream, cancellation)) return;
    if (!(thrown instanceof ServeError)) {
      this.#deps.log.error({ replica: this.#deps.replicaId, err: thrown }, "a request handler failed unexpectedly");
    }
    this.#sendError(stream, ServeError.from(thrown));
  }

  /** False when the connection went away before the request ended. */
  #finish(stream: number, cancellation: Cancellation): boolean {
    return this.#ongoing.get(stream) === cancellation && this.#ongoing.delete(stream);
  }

  #sendError(stream: number, error: ServeError): void {
    const { head, body } = errorToWire(error, this.#deps.handler.ongoing);
    this.connection.send(FRAME.ERROR, stream, head, body);
  }
}

function assertBodyFits(body: readonly Uint8Array[]): void {
  let bytes = 0;
  for (const part of body) bytes += part.byteLength;
  if (bytes <= MOST_FRAME_BODY_BYTES) return;
  throw new HandlerError(`the answer has ${bytes} bytes; at most ${MOST_FRAME_BODY_BYTES} can be sent`);
}

/** Takes the same time wherever the two differ. */
function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return expected !== "" && timingSafeEqual(digest(given), digest(expected));
}
