/**
 * A replica's door. Routers connect, say HELLO with the replica's id, its call secret and the name of their link, and
 * send requests as frames (`proto/frame/frame.ts`).
 *
 *     connection:  connected → (HELLO right, in time) greeted: part of its router's link → closed, and the link with it
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { Clock, Defer, Timer } from "../../core/clock.ts";
import { PermissionDeniedError } from "../../core/error.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { MOST_FRAME_BODY_BYTES, MOST_FRAME_HEAD_BYTES, REPLICA_CONNECT_TIMEOUT_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Address, ByteSocket, Listener, Network } from "../../core/network.ts";
import { errorToWire, helloFromWire, modelsToWire, welcomeToWire, type Hello } from "../../proto/codec/exchange.ts";
import type { RequestHandler } from "../../proto/exchange.ts";
import { FrameConnection, type FrameListener } from "../../proto/frame/connection.ts";
import { FRAME, type Frame } from "../../proto/frame/frame.ts";
import type { HeldModels } from "./held-models.ts";
import { RouterLink } from "./router-link.ts";

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
  /** Of which routers are told; undefined: the replica has no models that requests choose from. */
  readonly heldModels?: HeldModels | undefined;
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

/** Long enough for the event loop to have read what has come. */
const UNREAD_HELLO_MS = 50;

/** How long routers get to close their connections; on one machine they need a millisecond. */
const LINGER_MS = 500;

/** Starts to listen. Rejects with the network's cause when it cannot. */
export async function serveReplica(deps: ReplicaServerDeps): Promise<ReplicaServer> {
  const door = new Door(deps);
  const listener: Listener = await deps.network.listen(
    deps.address,
    (socket) => new Visitor(deps, socket, door).connection,
  );
  return {
    address: listener.address,
    goAway: () => door.goAway(),
    async close() {
      door.goAway();
      await listener.close();
      await door.empty();
    },
  };
}

/** The links there are, by the name that their routers gave them. */
class Door {
  readonly #deps: ReplicaServerDeps;
  readonly #links = new Map<string, RouterLink>();
  #isGoingAway = false;
  #isTelling = false;
  #onLastGone = (): void => {};

  constructor(deps: ReplicaServerDeps) {
    this.#deps = deps;
    deps.heldModels?.watch(() => this.#tellModels());
  }

  goAway(): void {
    if (this.#isGoingAway) return;
    this.#isGoingAway = true;
    for (const link of this.#links.values()) link.goAway();
  }

  /** Lets a connection in; undefined when it belongs to no link: a second of its kind, or a bulk one without its main. */
  admit({ linkId, part }: Hello, connection: FrameConnection): RouterLink | undefined {
    const { log, handler, heldModels } = this.#deps;
    let link = this.#links.get(linkId);
    if (link === undefined) {
      if (part === "bulk") return undefined;
      const made = new RouterLink({ log, handler, onGone: () => this.#onGone(linkId) });
      this.#links.set(linkId, made);
      link = made;
    }
    if (!link.join(part, connection)) return undefined;
    connection.send(FRAME.WELCOME, 0, welcomeToWire(handler.ongoing));
    if (part === "main") {
      if (heldModels !== undefined) link.tellModels(modelsToWire(heldModels.modelIds));
      if (this.#isGoingAway) link.goAway();
    }
    return link;
  }

  /** Waits a moment for the routers to leave, then closes what is left. */
  async empty(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.after(LINGER_MS, resolve);
      this.#onLastGone = () => {
        timer.cancel();
        resolve();
      };
      if (this.#links.size === 0) this.#onLastGone();
    });
    for (const link of this.#links.values()) link.close("the replica ends");
  }

  /** Once a turn, however many models come and go in it. */
  #tellModels(): void {
    const { defer, heldModels } = this.#deps;
    if (this.#isTelling || heldModels === undefined) return;
    this.#isTelling = true;
    defer(() => {
      this.#isTelling = false;
      const head = modelsToWire(heldModels.modelIds);
      for (const link of this.#links.values()) link.tellModels(head);
    });
  }

  #onGone(linkId: string): void {
    this.#links.delete(linkId);
    if (this.#links.size === 0) this.#onLastGone();
  }
}

/** One connection: a stranger's, and after its HELLO its router's. */
class Visitor implements FrameListener {
  readonly connection: FrameConnection;
  readonly #deps: ReplicaServerDeps;
  readonly #door: Door;
  #helloTimer: Timer;
  #link: RouterLink | undefined;

  constructor(deps: ReplicaServerDeps, socket: ByteSocket, door: Door) {
    this.#deps = deps;
    this.#door = door;
    this.connection = new FrameConnection({ socket, defer: deps.defer, bounds: STRANGER_BOUNDS, listener: this });
    // User code may have held up the event loop for all that time, and the HELLO may be here, unread.
    this.#helloTimer = deps.clock.after(REPLICA_CONNECT_TIMEOUT_MS, () => {
      this.#helloTimer = deps.clock.after(UNREAD_HELLO_MS, () => this.connection.close("no HELLO in time"));
    });
  }

  onFrame(frame: Frame): void {
    if (this.#link === undefined) this.#greet(frame);
    else this.#link.onFrame(this.connection, frame);
  }

  onClose(reason: string): void {
    this.#helloTimer.cancel();
    this.#link?.close(reason);
  }

  #greet({ kind, head }: Frame): void {
    const { replicaId, callSecret, handler, log } = this.#deps;
    const hello = kind === FRAME.HELLO ? helloFromWire(head) : undefined;
    if (hello === undefined || hello.replicaId !== replicaId || !isSameSecret(hello.callSecret, callSecret)) {
      // Not who it asked for is the normal case: another process got the port of one that crashed.
      log.debug({ replica: replicaId, reason: "wrong hello" }, "a connection was refused");
      const error = errorToWire(
        new PermissionDeniedError("this is another replica, or the secret is wrong"),
        handler.ongoing,
      );
      this.connection.send(FRAME.ERROR, 0, error.head, error.body);
      this.connection.close("wrong hello");
      return;
    }
    this.#helloTimer.cancel();
    this.connection.bounds = ROUTER_BOUNDS;
    this.#link = this.#door.admit(hello, this.connection);
    if (this.#link === undefined) this.connection.close("the link is gone, or has this connection already");
  }
}

/** Takes the same time wherever the two differ. */
function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => hash("sha256", text, "buffer");
  return expected !== "" && timingSafeEqual(digest(given), digest(expected));
}
