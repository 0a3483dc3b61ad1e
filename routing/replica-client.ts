/**
 * One replica, as its router uses it.
 *
 *     connecting → ready → draining (GOAWAY) → drained (all answered, link closed; never made again)
 *         ↑          │
 *         └──────────┘ (link lost; it connects again by itself)          any → closed
 *
 * A replica that drains waits for its routers to close their links: then it knows that they have every answer. It counts
 * what was sent there and has not ended (`sent-requests.ts`), so the router knows exactly which slots are free. When the
 * link breaks, every request on it fails at once, with whether a byte of it had left.
 */
import { ReplicaLostError } from "../core/error.ts";
import type { Logger } from "../core/log.ts";
import type { ReplicaEntry } from "../core/table.ts";
import type { Body } from "../proto/body.ts";
import { errorFromWire, modelsFromWire, type OutgoingHead } from "../proto/codec/exchange.ts";
import { FRAME, type Frame } from "../proto/frame/frame.ts";
import { RefusalRest } from "./refusal-rest.ts";
import { ReplicaLink, type ReplicaLinkDeps } from "./replica-link.ts";
import { SentRequests, type ReplicaStream } from "./sent-requests.ts";

/** What a replica's client is made of. */
export type ReplicaClientDeps = ReplicaLinkDeps & { readonly log: Logger };

/** What a client tells its router. */
export interface ReplicaClientListener {
  /** It may take requests that it could not take before, or has become silent. */
  onSlots(): void;
  /** Which of several models it has, loading ones among them; none once its link is lost. */
  onModels(modelIds: readonly string[]): void;
  /** A retired client has finished and is closed. */
  onRetired(client: ReplicaClient): void;
}

/** One replica, as its router uses it; see the head of this file. */
export class ReplicaClient {
  readonly #deps: ReplicaClientDeps;
  readonly #listener: ReplicaClientListener;
  readonly #sent: SentRequests;
  readonly #rest: RefusalRest;
  readonly #link: ReplicaLink;
  /** As the table has it; what may change without another link is changed here. */
  entry: ReplicaEntry;
  /** Requests it said it had, all routers' together, when it was last heard. */
  reportedOngoing = 0;
  #state: "connecting" | "ready" | "draining" | "drained" | "closed" = "connecting";
  #isRetired = false;

  constructor(deps: ReplicaClientDeps, entry: ReplicaEntry, listener: ReplicaClientListener) {
    this.#deps = deps;
    this.entry = entry;
    this.#listener = listener;
    this.#rest = new RefusalRest({ clock: deps.clock, random: deps.random, onOver: () => listener.onSlots() });
    this.#sent = new SentRequests({
      connectionFor: (bytes) => this.#link.connectionFor(bytes),
      onReply: (code, ongoing) => {
        this.reportedOngoing = ongoing;
        if (code === "replica_draining") this.#drains();
        else if (code === "replica_overloaded") this.#rest.refused();
        else this.#rest.ended();
      },
      onCancelled: () => this.#closeIfForsaken(),
      onEnded: () => {
        listener.onSlots();
        this.#closeIfDone();
      },
      onBroken: (reason) => this.#link.drop(reason),
    });
    this.#link = new ReplicaLink(deps, entry, {
      isBusy: () => this.#sent.size > 0,
      onOpen: () => {
        this.#state = "ready";
        listener.onSlots();
      },
      onOngoing: (ongoing) => (this.reportedOngoing = ongoing),
      onFrame: (frame) => (frame.stream === 0 ? this.#onLinkFrame(frame) : this.#sent.onFrame(frame)),
      onSilence: (isSilent) => {
        const { deployment, id } = this.entry;
        deps.log.warn({ deployment, replica: id }, isSilent ? "a replica is silent" : "a silent replica was heard");
        listener.onSlots();
        this.#closeIfForsaken();
      },
      onLost: (reason) => this.#onLost(reason),
    });
  }

  /** Whether it takes requests: connected, not draining, not resting after a refusal, not silent. */
  get isReady(): boolean {
    return this.isAble && !this.#rest.isResting;
  }

  /** Whether it takes requests, if not right now, then when it has rested after a refusal. */
  get isAble(): boolean {
    return this.#state === "ready" && !this.#isRetired && !this.#link.isSilent;
  }

  /** It does not answer, not even when asked whether it is there. */
  get isSilent(): boolean {
    return this.#link.isSilent;
  }

  /** Requests sent there that have not ended. */
  get ongoing(): number {
    return this.#sent.size;
  }

  get maxOngoingRequests(): number {
    return this.entry.maxOngoingRequests;
  }

  /**
   * Sends a request; only while `isReady`. Gives the number to cancel it by.
   *
   * @throws {ServeError} when its head cannot be sent.
   */
  send(head: OutgoingHead, body: Body, timeoutMs: number, stream: ReplicaStream): number {
    const id = this.#sent.send(head, body, timeoutMs, stream);
    this.#link.expect();
    return id;
  }

  /** Nobody waits for this request any more; its stream hears nothing more of it. */
  cancel(id: number): void {
    this.#sent.cancel(id);
  }

  /** Fails what could as well be sent to another replica, without waiting for this one. */
  giveUp(): void {
    if (this.#sent.size > 0) this.#sent.giveUp(this.#lostError("it does not answer"));
    this.#closeIfForsaken();
  }

  /** Sends nothing new; closes once the last request has ended. */
  retire(): void {
    this.#isRetired = true;
    if (this.#sent.size === 0) this.close();
    else this.#closeIfForsaken();
  }

  /** Closes at once; what is ongoing fails. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#isRetired = true;
    this.#rest.cancel();
    this.#link.close("the router closed the link");
    this.#failAll("the link to it was closed");
    this.#listener.onRetired(this);
  }

  #onLost(reason: string): void {
    const { log } = this.#deps;
    const { deployment, id } = this.entry;
    const before = this.#state;
    if (before === "closed") return;
    this.#rest.cancel();
    this.#listener.onModels([]);
    if (before === "ready" && !this.#isRetired)
      log.info({ deployment, replica: id, reason }, "the link to a replica was lost");
    else log.debug({ deployment, replica: id, reason }, "a replica cannot be reached, or drains");
    if (before === "draining") {
      this.#state = "drained";
      this.#link.close("the replica drains");
    } else this.#state = "connecting";
    this.#failAll(reason);
    if (this.#isRetired) this.close();
  }

  #onLinkFrame({ kind, head, body }: Frame): void {
    if (kind === FRAME.GOAWAY) {
      this.#drains();
      this.#closeIfDone();
    } else if (kind === FRAME.MODELS) this.#onModels(head);
    else if (kind === FRAME.ERROR) this.#link.drop(errorFromWire(head, body).error.message);
    else this.#link.drop(`the replica sent a frame of kind ${kind} on stream 0`);
  }

  #onModels(head: string): void {
    const modelIds = modelsFromWire(head);
    if (modelIds === undefined) this.#link.drop("the replica sent a list of models that cannot be read");
    else if (this.#state === "ready") this.#listener.onModels(modelIds);
  }

  #drains(): void {
    if (this.#state !== "ready") return;
    this.#state = "draining";
    // What it has is of no more use: others are asked for it from now on.
    this.#listener.onModels([]);
  }

  #closeIfDone(): void {
    if (this.#sent.size > 0) return;
    if (this.#isRetired) this.close();
    else if (this.#state === "draining") {
      this.#state = "drained";
      this.#link.close("the replica drains");
    }
  }

  /**
   * Nobody waits for a retired replica's last requests to end when it is silent and their clients have gone: its machine
   * may have lost power, which would be noticed only by the kernel, after a quarter of an hour.
   */
  #closeIfForsaken(): void {
    if (this.#isRetired && this.#link.isSilent && !this.#sent.isAwaited) this.close();
  }

  /** Most links are lost without a request on them, and an error costs its stack. */
  #failAll(reason: string): void {
    if (this.#sent.size > 0) this.#sent.failAll(this.#lostError(reason));
  }

  #lostError(reason: string): ReplicaLostError {
    const { id, deployment } = this.entry;
    return new ReplicaLostError(
      `replica ${id} of ${deployment} was lost with the request (${reason}): send it again if that does no harm`,
    );
  }
}
