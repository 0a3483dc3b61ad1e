/**
 * A router's link to one replica.
 *
 *     connecting → ready → draining (GOAWAY) → drained (all answered, connection closed; never made again)
 *         ↑          │
 *         └ waiting ←┘ (connection lost or refused; tried again by backoff)      any → closed
 *
 * A replica that drains waits for its routers to close their connections: then it knows that they have every answer.
 *
 * It counts what it has sent and what has not ended, so the router knows exactly which slots are free. A slot is free
 * again when the replica has answered, also where nobody waits for the answer any more: only then does the replica, too,
 * count it as ended. When the connection breaks, every request on it fails at once, with whether a byte of it had left.
 */
import { backoff } from "../core/backoff.ts";
import type { Clock, Defer, Timer } from "../core/clock.ts";
import { ReplicaLostError, ServeError } from "../core/error.ts";
import {
  MOST_FRAME_BODY_BYTES,
  MOST_FRAME_HEAD_BYTES,
  RECONNECT_BACKOFF,
  REPLICA_CONNECT_TIMEOUT_MS,
} from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Network } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { ReplicaEntry } from "../core/table.ts";
import { answerFromWire, errorFromWire, helloToWire, welcomeFromWire } from "../proto/codec/exchange.ts";
import type { Answer } from "../proto/exchange.ts";
import { FrameConnection, type FrameListener } from "../proto/frame/connection.ts";
import { FRAME, type FrameKind } from "../proto/frame/frame.ts";
import type { PickCandidate } from "./decide/pick.ts";
import { RefusalRest } from "./refusal-rest.ts";

/** What a link is made of. */
export type ReplicaClientDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly network: Network;
  readonly defer: Defer;
};

/** Who waits for the end of a request; exactly one of the two is called, once. */
export interface ReplicaStream {
  onAnswer(answer: Answer): void;
  /** `wasHanded`: whether a byte of the request was handed to a socket. */
  onError(error: ServeError, wasHanded: boolean): void;
}

/** What a link tells its router. */
export interface ReplicaClientListener {
  /** It may take requests that it could not take before. */
  onSlots(): void;
  /** A retired link has finished and is closed. */
  onRetired(client: ReplicaClient): void;
}

type Sent = {
  /** undefined: cancelled, nobody waits. */
  stream: ReplicaStream | undefined;
  readonly frame: number;
};

const MOST_STREAM = 0xffff_ffff;
const BOUNDS = { mostHeadBytes: MOST_FRAME_HEAD_BYTES, mostBodyBytes: MOST_FRAME_BODY_BYTES } as const;

/** The link to one replica; its connection is its own business. */
export class ReplicaClient implements FrameListener, PickCandidate {
  readonly #deps: ReplicaClientDeps;
  readonly #listener: ReplicaClientListener;
  readonly #sent = new Map<number, Sent>();
  readonly #rest: RefusalRest;
  /** As the table has it; what may change without another connection is changed here. */
  entry: ReplicaEntry;
  #state: "connecting" | "ready" | "draining" | "drained" | "waiting" | "closed" = "waiting";
  #connection: FrameConnection | undefined;
  #timer: Timer | undefined;
  #lastStream = 0;
  #failedConnects = 0;
  #isRetired = false;
  #reportedOngoing = 0;

  constructor(deps: ReplicaClientDeps, entry: ReplicaEntry, listener: ReplicaClientListener) {
    this.#deps = deps;
    this.entry = entry;
    this.#listener = listener;
    this.#rest = new RefusalRest({ clock: deps.clock, random: deps.random, onOver: () => listener.onSlots() });
    this.#connect();
  }

  get isReady(): boolean {
    return this.#state === "ready" && !this.#isRetired && !this.#rest.isResting;
  }

  get ongoing(): number {
    return this.#sent.size;
  }

  get maxOngoingRequests(): number {
    return this.entry.maxOngoingRequests;
  }

  get reportedOngoing(): number {
    return this.#reportedOngoing;
  }

  /** Sends a request; only while `isReady`. Gives the number to cancel it by. */
  send(head: string, body: readonly Uint8Array[], stream: ReplicaStream): number {
    // Starts over before it runs out of 32 bits; by then those before have long ended.
    this.#lastStream = this.#lastStream === MOST_STREAM ? 1 : this.#lastStream + 1;
    const id = this.#lastStream;
    const frame = this.#connection?.send(FRAME.REQUEST, id, head, body) ?? 0;
    this.#sent.set(id, { stream, frame });
    return id;
  }

  /** Nobody waits for this request any more; the stream hears nothing more of it. */
  cancel(id: number): void {
    const sent = this.#sent.get(id);
    if (sent?.stream === undefined) return;
    sent.stream = undefined;
    this.#connection?.send(FRAME.CANCEL, id, "");
  }

  /** Sends nothing new; closes once the last request has ended. */
  retire(): void {
    this.#isRetired = true;
    if (this.#sent.size === 0) this.close();
  }

  /** Closes at once; what is ongoing fails. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#isRetired = true;
    this.#timer?.cancel();
    this.#rest.cancel();
    this.#connection?.close("the router closed the link");
    this.#failAll("the link to it was closed");
    this.#listener.onRetired(this);
  }

  onFrame(kind: FrameKind, stream: number, head: string, body: Uint8Array): void {
    switch (kind) {
      case FRAME.ANSWER:
        this.#onAnswer(stream, head, body);
        return;
      case FRAME.ERROR:
        this.#onError(stream, head, body);
        return;
      case FRAME.WELCOME:
        this.#onWelcome(head);
        return;
      case FRAME.GOAWAY:
        if (this.#state === "ready") this.#state = "draining";
        this.#closeIfDone();
        return;
      default:
        this.#connection?.close(`the replica sent a frame of kind ${kind}`);
    }
  }

  onClose(reason: string): void {
    if (this.#state !== "closed") this.#lost(reason);
  }

  #connect(): void {
    const { network, clock, defer } = this.#deps;
    this.#state = "connecting";
    this.#timer = clock.after(REPLICA_CONNECT_TIMEOUT_MS, () => {
      this.#connection?.close("the replica did not answer the handshake");
    });
    let connection: FrameConnection | undefined;
    network
      .connect(
        this.entry.address,
        (socket) => (connection = new FrameConnection({ socket, defer, bounds: BOUNDS, listener: this })),
        REPLICA_CONNECT_TIMEOUT_MS,
      )
      .then(
        () => {
          if (connection === undefined) return;
          if (this.#state === "closed") {
            connection.close("the router closed the link");
            return;
          }
          this.#connection = connection;
          connection.send(FRAME.HELLO, 0, helloToWire(this.entry.id, this.entry.callSecret));
        },
        (error: unknown) => {
          if (this.#state !== "closed") this.#lost(error instanceof Error ? error.message : String(error));
        },
      );
  }

  #onWelcome(head: string): void {
    const welcome = welcomeFromWire(head);
    if (welcome === undefined) {
      this.#connection?.close("the replica speaks another version of the frame protocol");
      return;
    }
    this.#timer?.cancel();
    this.#failedConnects = 0;
    this.#reportedOngoing = welcome.ongoing;
    this.#state = "ready";
    this.#listener.onSlots();
  }

  #onAnswer(id: number, head: string, body: Uint8Array): void {
    let parsed: ReturnType<typeof answerFromWire>;
    try {
      parsed = answerFromWire(head, body);
    } catch (error) {
      this.#end(id, 0)?.onError(ServeError.from(error), true);
      return;
    }
    this.#rest.ended();
    this.#end(id, parsed.ongoing)?.onAnswer(parsed.answer);
    this.#listener.onSlots();
    this.#closeIfDone();
  }

  #onError(id: number, head: string, body: Uint8Array): void {
    const { error, ongoing } = errorFromWire(head, body);
    if (id === 0) {
      this.#connection?.close(error.message);
      return;
    }
    const stream = this.#end(id, ongoing);
    if (error.code === "replica_draining") {
      if (this.#state === "ready") this.#state = "draining";
    } else if (error.code === "replica_overloaded") {
      this.#rest.refused();
    } else {
      this.#rest.ended();
    }
    stream?.onError(error, true);
    this.#listener.onSlots();
    this.#closeIfDone();
  }

  #end(id: number, reportedOngoing: number): ReplicaStream | undefined {
    this.#reportedOngoing = reportedOngoing;
    const sent = this.#sent.get(id);
    this.#sent.delete(id);
    return sent?.stream;
  }

  #closeIfDone(): void {
    if (this.#sent.size > 0) return;
    if (this.#isRetired) this.close();
    else if (this.#state === "draining") this.#connection?.close("the replica drains");
  }

  #lost(reason: string): void {
    const { clock, random, log } = this.#deps;
    const { deployment, id } = this.entry;
    const before = this.#state;
    this.#timer?.cancel();
    this.#rest.cancel();
    if (before === "ready" && !this.#isRetired)
      log.info({ deployment, replica: id, reason }, "the link to a replica was lost");
    else log.debug({ deployment, replica: id, reason }, "a replica cannot be reached, or drains");
    if (before === "draining") {
      this.#state = "drained";
    } else {
      this.#state = "waiting";
      this.#timer = clock.after(backoff(this.#failedConnects++, RECONNECT_BACKOFF, random), () => this.#connect());
    }
    this.#failAll(reason);
    this.#connection = undefined;
    if (this.#isRetired) this.close();
  }

  #failAll(reason: string): void {
    if (this.#sent.size === 0) return;
    const flushedFrames = this.#connection?.flushedFrames ?? 0;
    const failed = [...this.#sent.values()];
    this.#sent.clear();
    const { id, deployment } = this.entry;
    for (const { stream, frame } of failed) {
      const text = `replica ${id} of ${deployment} was lost with the request (${reason}): send it again if that does no harm`;
      stream?.onError(new ReplicaLostError(text), frame <= flushedFrames);
    }
  }
}
