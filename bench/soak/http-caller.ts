import type { AnswerHead } from "../../load/answer-parser.ts";
import { EventReader } from "../../load/event-reader.ts";
import { HttpClient, type RunningExchange } from "../../load/http-client.ts";
import type { ExchangeListener } from "../../load/http-connection.ts";
import { encodeRequest, type LoadTarget } from "../../load/load-request.ts";
import { EVENT_COUNT, type SoakKind } from "./kinds.ts";
import { LEFT, type LedgerEntry } from "./ledger.ts";

const MOST_CONNECTIONS = 1_024;

/** Sends the soak's HTTP requests, and looks at every answer: whether it is whole, and whether it is that request's own. */
export class HttpCaller {
  readonly #target: LoadTarget;
  readonly #client: HttpClient;

  constructor(target: LoadTarget) {
    this.#target = target;
    this.#client = new HttpClient(target, MOST_CONNECTIONS);
  }

  /** Sends one; its client leaves after so long, if it is said. */
  call(kind: SoakKind, entry: LedgerEntry, leaveAfterMs: number | undefined): void {
    const isStream = kind.application === "streams";
    const request = {
      method: "POST",
      path: `/${kind.application}`,
      headers: { "content-type": kind.bytes === undefined ? "application/json" : "application/octet-stream" },
      body: kind.bytes === undefined ? jsonOf(entry.id, isStream) : bytesOf(entry.id, kind.bytes),
    };
    const listener = isStream ? new EventAnswer(entry) : new WholeAnswer(entry, kind.bytes ?? 0);
    const running = this.#client.send(encodeRequest(this.#target, request), listener);
    if (running === undefined) entry.end("no connection was free");
    else if (leaveAfterMs !== undefined) setTimeout(() => listener.leave(running), leaveAfterMs);
  }

  close(): void {
    this.#client.close();
  }
}

function jsonOf(id: number, isStream: boolean): string {
  return JSON.stringify(isStream ? { id, count: EVENT_COUNT } : { id });
}

function bytesOf(id: number, bytes: number): Buffer {
  const body = Buffer.alloc(bytes, "soak");
  body.writeUInt32BE(id);
  return body;
}

/** What all answers have in common: they end once, unless their client has left before. */
abstract class SoakAnswer implements ExchangeListener {
  protected status = 0;
  readonly #entry: LedgerEntry;
  #hasEnded = false;

  constructor(entry: LedgerEntry) {
    this.#entry = entry;
  }

  get id(): number {
    return this.#entry.id;
  }

  leave(running: RunningExchange): void {
    if (this.#hasEnded) return;
    running.abandon();
    this.finish(LEFT);
  }

  onHead(status: number, _head: AnswerHead): void {
    this.status = status;
  }

  onFailure(code: string): void {
    this.finish(code);
  }

  abstract onBody(bytes: Uint8Array): void;
  abstract onEnd(): void;

  protected finish(outcome: string): void {
    this.#hasEnded = true;
    this.#entry.end(outcome);
  }
}

class WholeAnswer extends SoakAnswer {
  readonly #sentBytes: number;
  #text = "";

  constructor(entry: LedgerEntry, sentBytes: number) {
    super(entry);
    this.#sentBytes = sentBytes;
  }

  onBody(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString();
  }

  onEnd(): void {
    if (this.status !== 200) {
      this.finish(String(this.status));
      return;
    }
    const { id, bytes } = JSON.parse(this.#text) as { id: number; bytes: number };
    this.finish(id === this.id && bytes === this.#sentBytes ? "200" : "an answer of another request");
  }
}

class EventAnswer extends SoakAnswer {
  readonly #events = new EventReader(({ name, data }) => this.#onEvent(name, data));
  #count = 0;
  #isDone = false;
  #error = "";

  onBody(bytes: Uint8Array): void {
    if (this.status === 200) this.#events.push(bytes);
  }

  onEnd(): void {
    if (this.status !== 200) this.finish(String(this.status));
    else if (this.#error !== "") this.finish("a clean end after an error");
    else this.finish(this.#isDone && this.#count === EVENT_COUNT ? "200" : `${this.#count} events`);
  }

  override onFailure(code: string): void {
    this.finish(this.#error === "replica_lost" ? "failed_stream" : `${code} ${this.#error}`);
  }

  #onEvent(name: string, data: string): void {
    if (name === "error") this.#error = (JSON.parse(data) as { code: string }).code;
    else if (data === "[DONE]") this.#isDone = true;
    else {
      const { id, at } = JSON.parse(data) as { id: number; at: number };
      if (id !== this.id || at !== this.#count) this.#error = "an event of another stream";
      this.#count += 1;
    }
  }
}
