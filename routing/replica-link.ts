/**
 * A router's two connections to one replica, as one link.
 *
 *     connecting → open ──either connection lost, or refused──▶ lost → (backoff) connecting …      any → closed
 *
 * `main` carries small frames, `bulk` the bodies that small ones should not wait behind; until bulk is there, main
 * carries everything. While requests are ongoing and nothing comes, the link asks with a PING whether anybody is there;
 * a replica that does not answer is silent: stopped, blocked or cut off, which looks the same from here.
 */
import { backoff } from "../core/backoff.ts";
import type { Clock, Defer, Timer } from "../core/clock.ts";
import {
  BULK_BODY_BYTES,
  MOST_FRAME_BODY_BYTES,
  MOST_FRAME_HEAD_BYTES,
  PING_AFTER_MS,
  PING_SILENT_MS,
  RECONNECT_BACKOFF,
  REPLICA_CONNECT_TIMEOUT_MS,
} from "../core/limits.ts";
import type { Network } from "../core/network.ts";
import { randomSuffix, type Random } from "../core/random.ts";
import type { ReplicaEntry } from "../core/table.ts";
import { countFromWire, helloToWire, welcomeFromWire, type LinkPart } from "../proto/codec/exchange.ts";
import { FrameConnection, type FrameListener } from "../proto/frame/connection.ts";
import { FRAME, type Frame } from "../proto/frame/frame.ts";

/** What a link is made of. */
export type ReplicaLinkDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly defer: Defer;
};

/** What a link tells its owner. */
export interface ReplicaLinkListener {
  /** The replica takes requests from here. */
  onOpen(): void;
  /** The replica said how many requests it has, all routers' together. */
  onOngoing(ongoing: number): void;
  /** Every frame but those of the handshake, and of asking whether anybody is there. */
  onFrame(frame: Frame): void;
  /** It became silent, or was heard again. */
  onSilence(isSilent: boolean): void;
  /** The connections are gone; called once for each attempt. It connects again by itself unless it is closed. */
  onLost(reason: string): void;
  /** Whether an answer is due; while none is, nobody is asked whether they are there. */
  isBusy(): boolean;
}

const BOUNDS = { mostHeadBytes: MOST_FRAME_HEAD_BYTES, mostBodyBytes: MOST_FRAME_BODY_BYTES } as const;
const LINK_ID_LENGTH = 16;
const BULK_RETRY_MS = RECONNECT_BACKOFF.mostMs;

/** The link to one replica; see the head of this file. */
export class ReplicaLink {
  readonly #deps: ReplicaLinkDeps;
  readonly #entry: ReplicaEntry;
  readonly #listener: ReplicaLinkListener;
  #attempt: Attempt | undefined;
  #timer: Timer | undefined;
  #failedConnects = 0;
  #isClosed = false;
  #pulse: Timer | undefined;
  #hasHeard = false;
  #pingedAt: number | undefined;
  #isSilent = false;

  constructor(deps: ReplicaLinkDeps, entry: ReplicaEntry, listener: ReplicaLinkListener) {
    this.#deps = deps;
    this.#entry = entry;
    this.#listener = listener;
    this.#connect();
  }

  /** Nothing has come for a while though it was asked for. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** The connection for a body of so many bytes; undefined while there is none. */
  connectionFor(bodyBytes: number): FrameConnection | undefined {
    const { main, bulk } = this.#attempt ?? {};
    return bodyBytes > BULK_BODY_BYTES && bulk?.isWelcome === true ? bulk.connection : main?.connection;
  }

  /** Something was sent of which an answer is due. */
  expect(): void {
    if (this.#isClosed) return;
    this.#pulse ??= this.#deps.clock.after(PING_AFTER_MS, () => this.#beat());
  }

  /** Gives up the connections; it connects again. */
  drop(reason: string): void {
    this.#attempt?.drop(reason);
  }

  /** Closes for good. The owner hears nothing more. */
  close(reason: string): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stopPulse();
    this.#attempt?.drop(reason);
  }

  #connect(): void {
    const { clock, network, defer, random } = this.#deps;
    const linkId = randomSuffix(random, LINK_ID_LENGTH);
    const attempt: Attempt = new Attempt({
      clock,
      network,
      defer,
      linkId,
      entry: this.#entry,
      onFrame: (part, frame) => this.#onFrame(attempt, part, frame),
      onGone: (reason) => this.#onGone(attempt, reason),
    });
    this.#attempt = attempt;
    attempt.start("main");
  }

  #onFrame(attempt: Attempt, part: LinkPart, frame: Frame): void {
    if (attempt !== this.#attempt || this.#isClosed) return;
    this.#heard();
    if (frame.kind === FRAME.WELCOME) this.#onWelcome(attempt, part, frame);
    else if (frame.kind === FRAME.PONG) this.#listener.onOngoing(countFromWire(frame.head) ?? 0);
    else this.#listener.onFrame(frame);
  }

  #onWelcome(attempt: Attempt, part: LinkPart, { head }: Frame): void {
    const welcome = welcomeFromWire(head);
    if (welcome === undefined) {
      attempt.drop("the replica speaks another version of the frame protocol");
      return;
    }
    attempt.welcome(part);
    if (part === "bulk") return;
    this.#failedConnects = 0;
    attempt.start("bulk");
    this.#listener.onOngoing(welcome.ongoing);
    this.#listener.onOpen();
  }

  #onGone(attempt: Attempt, reason: string): void {
    if (attempt !== this.#attempt) return;
    this.#attempt = undefined;
    this.#stopPulse();
    if (this.#isClosed) return;
    const { clock, random } = this.#deps;
    const delayMs = backoff(this.#failedConnects++, RECONNECT_BACKOFF, random);
    this.#timer = clock.after(delayMs, () => this.#connect());
    this.#listener.onLost(reason);
  }

  #heard(): void {
    this.#hasHeard = true;
    this.#pingedAt = undefined;
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#listener.onSilence(false);
  }

  /** Every PING_AFTER_MS while an answer is due. */
  #beat(): void {
    this.#pulse = undefined;
    const main = this.#attempt?.main;
    if (main === undefined) return;
    const now = this.#deps.clock.now();
    if (this.#hasHeard) {
      this.#hasHeard = false;
      if (!this.#listener.isBusy()) return;
    } else if (this.#pingedAt === undefined) {
      this.#pingedAt = now;
      main.connection?.send(FRAME.PING, 0, "");
    } else if (!this.#isSilent && now - this.#pingedAt >= PING_SILENT_MS) {
      this.#isSilent = true;
      this.#listener.onSilence(true);
    }
    this.expect();
  }

  #stopPulse(): void {
    this.#pulse?.cancel();
    this.#pulse = undefined;
    this.#pingedAt = undefined;
    this.#hasHeard = false;
    this.#isSilent = false;
  }
}

type AttemptOptions = {
  readonly clock: Clock;
  readonly network: Network;
  readonly defer: Defer;
  readonly linkId: string;
  readonly entry: ReplicaEntry;
  readonly onFrame: (part: LinkPart, frame: Frame) => void;
  readonly onGone: (reason: string) => void;
};

/** One try at both connections; when either is lost, both are. */
class Attempt {
  readonly #options: AttemptOptions;
  readonly #parts = new Map<LinkPart, Part>();
  #isGone = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
  }

  get main(): Part | undefined {
    return this.#parts.get("main");
  }

  get bulk(): Part | undefined {
    return this.#parts.get("bulk");
  }

  welcome(name: LinkPart): void {
    const part = this.#parts.get(name);
    if (part === undefined) return;
    part.isWelcome = true;
    part.timer?.cancel();
  }

  start(name: LinkPart): void {
    const { clock, network, defer, entry, linkId, onFrame } = this.#options;
    // Requests go by main while bulk is still being made, and a replica may be busy with them: bulk may take its time.
    const onTimeout = (): void => this.drop("the replica did not answer the handshake");
    const timer = name === "main" ? clock.after(REPLICA_CONNECT_TIMEOUT_MS, onTimeout) : undefined;
    const part: Part = { connection: undefined, isWelcome: false, timer };
    this.#parts.set(name, part);
    const listener: FrameListener = {
      onFrame: (frame) => onFrame(name, frame),
      onClose: (reason) => this.#onPartGone(name, part, reason),
    };
    let connection: FrameConnection | undefined;
    network
      .connect(
        entry.address,
        (socket) => (connection = new FrameConnection({ socket, defer, bounds: BOUNDS, listener })),
        REPLICA_CONNECT_TIMEOUT_MS,
      )
      .then(
        () => {
          if (connection === undefined) return;
          if (this.#isGone) {
            connection.close("the link was given up");
            return;
          }
          part.connection = connection;
          const { id: replicaId, callSecret } = entry;
          connection.send(FRAME.HELLO, 0, helloToWire({ replicaId, callSecret, linkId, part: name }));
        },
        (error: unknown) => this.#onPartGone(name, part, error instanceof Error ? error.message : String(error)),
      );
  }

  /** A bulk connection that was not yet in use is tried again; the loss of any other is the loss of the link. */
  #onPartGone(name: LinkPart, part: Part, reason: string): void {
    if (name === "main" || part.isWelcome) this.drop(reason);
    else if (!this.#isGone) part.timer = this.#options.clock.after(BULK_RETRY_MS, () => this.start("bulk"));
  }

  drop(reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const { connection, timer } of this.#parts.values()) {
      timer?.cancel();
      connection?.close(reason);
    }
    this.#options.onGone(reason);
  }
}

type Part = { connection: FrameConnection | undefined; isWelcome: boolean; timer: Timer | undefined };
