/**
 * The worker's way to its controller: one stream for who it is, what it runs and what it is to run, and one watch of
 * the routing table. Each is opened again with backoff, each on its own, for ever: a node without a controller goes on
 * with what it has. Decides nothing; what comes in goes to the listener.
 */
import type { ControllerMessage, NodeRegistration, NodeReport, WorkerMessage } from "../core/assignment.ts";
import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { HEARTBEAT_MS, RECONNECT_BACKOFF } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import { isSameData } from "../core/same-data.ts";
import type { TableUpdate } from "../core/table.ts";
import type { ControllerStream, ControllerTransport, TableVersion } from "../proto/transport.ts";

/** What the worker says and wants to hear. */
export interface ControllerLinkListener {
  /** Asked at every connection: the first thing that is sent. */
  registration(): NodeRegistration;
  /** Asked at every heartbeat. */
  report(): NodeReport;
  onMessage(message: ControllerMessage): void;
  /** The table that the node has; undefined: nothing. */
  knownTable(): TableVersion | undefined;
  /** False: a snapshot is needed. */
  onTable(update: TableUpdate): boolean;
}

/** What {@link ControllerLink} is made from. */
export type ControllerLinkDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly listener: ControllerLinkListener;
};

/** The node's connection to the controller. */
export class ControllerLink {
  readonly #deps: ControllerLinkDeps;
  #transport: ControllerTransport | undefined;
  #stream: ControllerStream | undefined;
  #watch: { close(): void } | undefined;
  #heartbeat: Timer | undefined;
  #reconnect: Timer | undefined;
  #rewatch: Timer | undefined;
  #attempt = 0;
  #watchAttempt = 0;
  #needsSnapshot = false;
  #lastReport: NodeReport | undefined;

  constructor(deps: ControllerLinkDeps) {
    this.#deps = deps;
  }

  /** Connects, and stays connected until `close`. */
  start(transport: ControllerTransport): void {
    this.close();
    this.#transport = transport;
    this.#connect();
    this.#watchTable();
  }

  /** False while there is no stream; what it would have said is in the next registration. */
  send(message: WorkerMessage): boolean {
    this.#stream?.send(message);
    return this.#stream !== undefined;
  }

  /** Sends a heartbeat at once if anything in it changed since the last. */
  reportChanged(): void {
    if (this.#stream !== undefined && !isSameData(this.#deps.listener.report(), this.#lastReport)) this.#beat();
  }

  /** Disconnects for good, unless it is started again. */
  close(): void {
    this.#transport = undefined;
    for (const timer of [this.#heartbeat, this.#reconnect, this.#rewatch]) timer?.cancel();
    const [stream, watch] = [this.#stream, this.#watch];
    this.#stream = undefined;
    this.#watch = undefined;
    stream?.close();
    watch?.close();
  }

  #connect(): void {
    const { listener, log } = this.#deps;
    const transport = this.#transport;
    if (transport === undefined) return;
    let isOver = false;
    const onClose = (reason: string): void => {
      if (isOver || this.#transport !== transport) return;
      isOver = true;
      this.#stream = undefined;
      this.#heartbeat?.cancel();
      if (this.#attempt === 0)
        log.warn({ reason }, "no connection to the controller; the node goes on with what it has");
      this.#reconnect = this.#later(this.#attempt++, () => this.#connect());
    };
    const stream = transport.connect({
      onMessage: (message) => {
        if (isOver || this.#transport !== transport) return;
        if (this.#attempt > 0) log.info({}, "connected to the controller");
        this.#attempt = 0;
        listener.onMessage(message);
      },
      onClose,
    });
    if (isOver) return;
    this.#stream = stream;
    stream.send({ kind: "register", registration: listener.registration() });
    this.#beat();
  }

  #beat(): void {
    const report = this.#deps.listener.report();
    this.#lastReport = report;
    this.#heartbeat?.cancel();
    // First, so that a transport that closes within `send` finds a timer to cancel.
    this.#heartbeat = this.#deps.clock.after(HEARTBEAT_MS, () => this.#beat());
    this.#stream?.send({ kind: "heartbeat", report });
  }

  #watchTable(): void {
    const { listener, log } = this.#deps;
    const transport = this.#transport;
    if (transport === undefined) return;
    let isOver = false;
    const over = (delayAttempt: number): void => {
      isOver = true;
      this.#watch = undefined;
      this.#rewatch = this.#later(delayAttempt, () => this.#watchTable());
    };
    const watch = transport.watchTable(this.#needsSnapshot ? undefined : listener.knownTable(), {
      onUpdate: (update) => {
        if (isOver || this.#transport !== transport) return;
        this.#watchAttempt = 0;
        this.#needsSnapshot = !listener.onTable(update);
        if (!this.#needsSnapshot) return;
        log.warn(
          { epoch: update.epoch, tableVersion: update.version },
          "a change of the routing table is missing; asking for all of it",
        );
        const current = this.#watch;
        over(0);
        current?.close();
      },
      onClose: (reason) => {
        if (isOver || this.#transport !== transport) return;
        log.debug({ reason }, "the watch of the routing table ended");
        over(this.#watchAttempt++);
      },
    });
    if (isOver) watch.close();
    else this.#watch = watch;
  }

  #later(attempt: number, callback: () => void): Timer {
    const { clock, random } = this.#deps;
    return clock.after(backoff(attempt, RECONNECT_BACKOFF, random), callback);
  }
}
