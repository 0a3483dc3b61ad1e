import { ServeError } from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import { BodyStream } from "../../proto/body.ts";
import { errorAnswer } from "../../proxy/error-response.ts";
import type { ExchangeHandler, FrontLimits, HttpExchange, HttpFront, UpgradeExchange } from "../../proxy/http-front.ts";
import { RawClient } from "./raw-client.ts";
import { RecordingLog } from "./recording-log.ts";
import { gatherBody } from "./gather-body.ts";

/** Makes the front that is tried. */
export type MakeFront = (handler: ExchangeHandler, log: Logger, limits?: FrontLimits) => HttpFront;

/** A request as a handler got it, whole. */
export type SeenRequest = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: string;
};

/** Requests with bodies up to this are taken by beds. */
export const BED_BODY_BYTES = 1024 * 1024;

/** A front on loopback, and what its handler saw. */
export class FrontBed implements ExchangeHandler {
  readonly log = new RecordingLog();
  readonly front: HttpFront;
  /** Requests whose body came to its end, in order. */
  readonly seen: SeenRequest[] = [];
  readonly refused: number[] = [];
  /** Statuses that `handle` ended with. */
  readonly handled: number[] = [];
  readonly #clients = new Set<RawClient>();
  #port = 0;
  /** What a request is answered with; a test may put its own here. */
  onRequest: (exchange: HttpExchange) => Promise<void>;
  onUpgrade: (exchange: UpgradeExchange) => void;

  private constructor(makeFront: MakeFront, limits: FrontLimits | undefined) {
    this.front = makeFront(this, this.log, limits);
    this.onRequest = (exchange) => this.echo(exchange);
    this.onUpgrade = (exchange) => exchange.refuse({ status: 404, headers: [], body: [] });
  }

  static async open(makeFront: MakeFront, limits?: FrontLimits): Promise<FrontBed> {
    const bed = new FrontBed(makeFront, limits);
    const address = await bed.front.listen({ address: { host: "127.0.0.1", port: 0 }, isShared: false });
    bed.#port = address.port;
    return bed;
  }

  get port(): number {
    return this.#port;
  }

  async handle(exchange: HttpExchange): Promise<void> {
    try {
      if (exchange.refusal !== undefined) throw exchange.refusal;
      await this.onRequest(exchange);
      this.handled.push(200);
    } catch (thrown) {
      const error = ServeError.from(thrown);
      const answer = errorAnswer(error, "");
      this.handled.push(error.code === "cancelled" ? 499 : answer.status);
      exchange.answer(answer);
    }
  }

  handleUpgrade(exchange: UpgradeExchange): Promise<void> {
    this.onUpgrade(exchange);
    return Promise.resolve();
  }

  onRefused(status: number): void {
    this.refused.push(status);
  }

  /** Answers with what came. */
  async echo(exchange: HttpExchange): Promise<void> {
    const parts = await gatherBody(await exchange.readBody(BED_BODY_BYTES), BED_BODY_BYTES);
    const { method, target, headers } = exchange;
    const body = Buffer.concat(parts).toString("latin1");
    this.seen.push({ method, target, headers, body });
    exchange.answer({
      status: 200,
      headers: ["content-type", "text/plain"],
      body: [Buffer.from(`<${body}>`, "latin1")],
    });
  }

  async connect(): Promise<RawClient> {
    const client = await RawClient.connect(this.#port);
    this.#clients.add(client);
    return client;
  }

  /** Sends bytes on a connection of their own, and gives all that came back until it was closed. */
  async raw(bytes: string | Uint8Array): Promise<string> {
    return await (await this.connect()).write(bytes).closed();
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    this.front.close();
    await turns(1);
  }
}

/** The producer's side of a stream in a test: what it heard, and a way to wait for more. */
export class ProducedBody {
  readonly stream: BodyStream;
  consumedBytes = 0;
  cancelled: ServeError | undefined;
  #onChange: () => void = () => {};

  constructor(length?: number) {
    this.stream = new BodyStream(
      {
        onConsumed: (bytes) => {
          this.consumedBytes += bytes;
          this.#onChange();
        },
        onCancel: (error) => {
          this.cancelled = error;
          this.#onChange();
        },
      },
      length,
    );
  }

  write(text: string): void {
    this.stream.write(Buffer.from(text, "latin1"));
  }

  /** Resolves when `isSo`, which is asked after all that happens to it. */
  async until(isSo: () => boolean): Promise<void> {
    if (isSo()) return;
    await new Promise<void>((resolve) => {
      this.#onChange = () => {
        if (isSo()) resolve();
      };
    });
  }
}

/** Turns of the event loop, a few hundred: what was to happen without anybody's doing has happened. */
export async function turns(count = 300): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}
