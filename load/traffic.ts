/**
 * The requests of one load, whoever says when each is due: sends them, gives each exactly one outcome, and waits for
 * the last. A request under way ends by its answer, by its connection, by its time limit, or by its own cancellation,
 * whichever is first; the others then find it ended.
 */
import type { Clock, Timer } from "../core/clock.ts";
import type { AnswerHead } from "./answer-parser.ts";
import { EventReader } from "./event-reader.ts";
import { HttpClient, type RunningExchange } from "./http-client.ts";
import type { ExchangeListener } from "./http-connection.ts";
import { type EncodedRequest, encodeRequest, type LoadRequest, type LoadTarget } from "./load-request.ts";
import { type Ending, LoadRecorder, type LoadReport, type Outcome } from "./load-report.ts";

/** What every load is told, open or closed; the request it names is the one that is sent each time. */
export type TrafficOptions = LoadRequest & {
  /** `http://…`, or `https://…`. */
  readonly url: string;
  /** A request without a whole answer by then, from when it was due, has failed. */
  readonly timeoutMs: number;
  /** Makes each request by its number, 0 first; what it leaves out is as above. */
  readonly requestOf?: ((sequence: number) => LoadRequest) | undefined;
  /** Requests due so early are sent, but left out of the report. Default 0. */
  readonly warmUpMs?: number | undefined;
  /** Called once for every request, warm-up included. */
  readonly onEnding?: ((ending: Ending) => void) | undefined;
  /** How long ago an event that has just come was due, where its data says that. */
  readonly eventLatenessMs?: ((data: string) => number | undefined) | undefined;
};

/** A load that runs until it is stopped. */
export type RunningLoad = {
  /** Requests sent so far, warm-up included. */
  readonly sent: number;
  /** Sends nothing more, waits for what is under way, and reports. Idempotent. */
  stop(): Promise<LoadReport>;
};

/** See the head of this file. */
export class Traffic {
  readonly clock: Clock;
  readonly recorder = new LoadRecorder();
  readonly timeoutMs: number;
  readonly eventLatenessMs: TrafficOptions["eventLatenessMs"];
  readonly #client: HttpClient;
  readonly #requestOf: (sequence: number) => EncodedRequest;
  readonly #onEnding: TrafficOptions["onEnding"];
  readonly #measuredFrom: number;
  /** In the order of their time limits, because all have the same. */
  readonly #ongoing = new Set<Exchange>();
  #whenIdle: (() => void) | undefined;
  #sent = 0;

  constructor(clock: Clock, target: LoadTarget, options: TrafficOptions & { readonly mostConnections: number }) {
    this.clock = clock;
    this.timeoutMs = options.timeoutMs;
    this.eventLatenessMs = options.eventLatenessMs;
    this.#onEnding = options.onEnding;
    this.#measuredFrom = clock.now() + (options.warmUpMs ?? 0);
    this.#client = new HttpClient(target, options.mostConnections);
    const { method, path, headers, body, cancelAfterMs, requestOf } = options;
    const same: LoadRequest = { method, path, headers, body, cancelAfterMs };
    const encoded = encodeRequest(target, same);
    this.#requestOf =
      requestOf === undefined
        ? () => encoded
        : (sequence) => encodeRequest(target, { ...same, ...requestOf(sequence) });
  }

  /** Requests sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Requests without an outcome yet. */
  get ongoingCount(): number {
    return this.#ongoing.size;
  }

  /** Sends the next request, which was due at some moment up to now. */
  send(dueAt: number): void {
    const sequence = this.#sent;
    this.#sent += 1;
    const exchange = new Exchange(this, sequence, dueAt);
    this.#ongoing.add(exchange);
    exchange.start(this.#client, this.#requestOf(sequence));
  }

  /** Ends what has run out of time. Called every few milliseconds. */
  expire(): void {
    const now = this.clock.now();
    for (const exchange of this.#ongoing) {
      if (exchange.dueAt + this.timeoutMs > now) break;
      exchange.finish("timeout");
    }
  }

  /** Resolves when no request is under way, and closes the connections. */
  async close(): Promise<LoadReport> {
    if (this.#ongoing.size > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#client.close();
    return this.recorder.report(this.#measuredFrom);
  }

  /** Whether a request that was due then counts. */
  isMeasured(dueAt: number): boolean {
    return dueAt >= this.#measuredFrom;
  }

  /** For exchanges alone. */
  onFinished(exchange: Exchange, ending: Ending): void {
    this.#ongoing.delete(exchange);
    if (this.isMeasured(ending.dueAt)) this.recorder.onEnding(ending);
    this.#onEnding?.(ending);
    if (this.#ongoing.size === 0) this.#whenIdle?.();
  }
}

/** One request and what has come of its answer. */
class Exchange implements ExchangeListener {
  readonly dueAt: number;
  readonly #traffic: Traffic;
  readonly #sequence: number;
  readonly #sentAt: number;
  readonly #isMeasured: boolean;
  #running: RunningExchange | undefined;
  #cancellation: Timer | undefined;
  #isFinished = false;
  #status = 0;
  #firstByteAt: number | undefined;
  #hasRetryAfter = false;
  #events: EventReader | undefined;
  #lastEventAt: number | undefined;
  #hasFailedEvent = false;

  constructor(traffic: Traffic, sequence: number, dueAt: number) {
    this.#traffic = traffic;
    this.#sequence = sequence;
    this.dueAt = dueAt;
    this.#sentAt = traffic.clock.now();
    this.#isMeasured = traffic.isMeasured(dueAt);
  }

  start(client: HttpClient, request: EncodedRequest): void {
    this.#running = client.send(request, this);
    if (this.#running === undefined) this.finish("unsent");
    else if (request.cancelAfterMs !== undefined) {
      this.#cancellation = this.#traffic.clock.after(request.cancelAfterMs, () => this.finish("cancelled"));
    }
  }

  onHead(status: number, head: AnswerHead): void {
    this.#status = status;
    // Only refusals carry it, and looking it up in every answer would cost more than all else here.
    if (status >= 400) this.#hasRetryAfter = head.get("retry-after") !== undefined;
    else if (head.get("content-type")?.startsWith("text/event-stream") === true) {
      this.#events = new EventReader((event) => this.#onEvent(event.name, event.data));
    }
  }

  onBody(bytes: Uint8Array): void {
    this.#firstByteAt ??= this.#traffic.clock.now();
    if (this.#isMeasured) this.#traffic.recorder.onBytes(bytes.byteLength);
    if (this.#events?.push(bytes) === false) this.finish("malformed");
  }

  onEnd(): void {
    this.#running = undefined;
    this.finish(this.#hasFailedEvent ? "failed_stream" : String(this.#status));
  }

  onFailure(code: string): void {
    this.#running = undefined;
    this.finish(this.#hasFailedEvent ? "failed_stream" : code);
  }

  /** Ends it with an outcome, once, and its connection with it unless the answer is whole. */
  finish(outcome: Outcome): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#cancellation?.cancel();
    this.#running?.abandon();
    this.#traffic.onFinished(this, {
      sequence: this.#sequence,
      outcome,
      dueAt: this.dueAt,
      sentAt: this.#sentAt,
      endedAt: this.#traffic.clock.now(),
      firstByteAt: this.#firstByteAt,
      hasRetryAfter: this.#hasRetryAfter,
    });
  }

  #onEvent(name: string, data: string): void {
    if (name === "error") this.#hasFailedEvent = true;
    const { clock, recorder, eventLatenessMs } = this.#traffic;
    const now = clock.now();
    const gapMs = this.#lastEventAt === undefined ? undefined : now - this.#lastEventAt;
    if (this.#isMeasured && name !== "error") recorder.onEvent(gapMs, eventLatenessMs?.(data));
    this.#lastEventAt = now;
  }
}
