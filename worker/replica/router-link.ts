/**
 * A router, as its replica sees it: the requests that came over its two connections, and what goes back.
 *
 *     REQUEST → handler → ANSWER (→ DATA …) | ERROR; each exactly once, a cancelled one too
 *
 * A link that breaks cancels its requests: whoever asked is gone. What a request does, and whether it is taken at all, is
 * the handler's business; a body that streams is given credit when somebody receives it, so a refused request has lost
 * none of it.
 */
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, ServeError } from "../../core/error.ts";
import { BULK_BODY_BYTES, STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import { byteLengthOf, EMPTY_BODY, isStream, type Body, type BodyStream } from "../../proto/body.ts";
import {
  answerHeadToWire,
  countFromWire,
  errorToWire,
  requestHeadFromWire,
  type LinkPart,
} from "../../proto/codec/exchange.ts";
import type { Answer, RequestHandler } from "../../proto/exchange.ts";
import { BodyReader } from "../../proto/frame/body-reader.ts";
import { BodySender } from "../../proto/frame/body-sender.ts";
import type { FrameConnection } from "../../proto/frame/connection.ts";
import { FRAME, type Frame } from "../../proto/frame/frame.ts";
import { StreamSlots } from "../../proto/frame/stream-slots.ts";

/** What a link is made of. */
export type RouterLinkDeps = {
  readonly log: Logger;
  readonly handler: RequestHandler;
  /** Both connections are gone. */
  readonly onGone: () => void;
};

/** One request of a router. */
type Ongoing = {
  readonly cancellation: Cancellation;
  /** By which the request came, and its body comes. */
  readonly connection: FrameConnection;
  reader: BodyReader | undefined;
  sender: BodySender | undefined;
};

/** One router's link; see the head of this file. */
export class RouterLink {
  readonly #deps: RouterLinkDeps;
  readonly #connections = new Map<LinkPart, FrameConnection>();
  readonly #ongoing = new StreamSlots<Ongoing>();
  #isGone = false;

  constructor(deps: RouterLinkDeps) {
    this.#deps = deps;
  }

  /** Takes over a connection that has proved whose it is. False when the link is gone or has one of this part. */
  join(part: LinkPart, connection: FrameConnection): boolean {
    if (this.#isGone || this.#connections.has(part)) return false;
    this.#connections.set(part, connection);
    return true;
  }

  /** `head`: of a MODELS frame. */
  tellModels(head: string): void {
    this.#connections.get("main")?.send(FRAME.MODELS, 0, head);
  }

  goAway(): void {
    this.#connections.get("main")?.send(FRAME.GOAWAY, 0, "");
  }

  /** Closes both connections and cancels what came over them. */
  close(reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const connection of this.#connections.values()) connection.close(reason);
    if (this.#ongoing.size > 0) this.#cancelAll(new CancelledError(`the connection to the caller is gone: ${reason}`));
    this.#deps.onGone();
  }

  #cancelAll(error: CancelledError): void {
    for (const { number, entry } of this.#ongoing.all()) {
      this.#ongoing.close(number);
      const { cancellation, reader, sender } = entry;
      cancellation.cancel(error);
      reader?.body.fail(error);
      sender?.stop(error);
    }
  }

  onFrame(connection: FrameConnection, frame: Frame): void {
    const { kind, stream, head, body, hasMore } = frame;
    if (kind === FRAME.REQUEST) this.#begin(connection, frame);
    else if (kind === FRAME.PING) connection.send(FRAME.PONG, 0, String(this.#deps.handler.ongoing));
    else if (kind === FRAME.DATA) {
      // What was on its way when its request ended is thrown away.
      if (this.#ongoing.get(stream)?.reader?.onData(body, hasMore) === false)
        this.close("a router sent more than it may");
    } else if (kind === FRAME.CREDIT) this.#ongoing.get(stream)?.sender?.addCredit(countFromWire(head) ?? 0);
    else if (kind === FRAME.CANCEL) this.#cancel(stream);
    else this.close(`a router sent a frame of kind ${kind}`);
  }

  #begin(connection: FrameConnection, frame: Frame): void {
    const { stream } = frame;
    const ongoing: Ongoing = { cancellation: new Cancellation(), connection, reader: undefined, sender: undefined };
    if (!this.#ongoing.open(stream, ongoing)) {
      this.close("a router used a stream twice");
      return;
    }
    this.#handle(ongoing, frame)
      .then(
        (answer) => this.#sendAnswer(stream, ongoing, answer),
        (error: unknown) => this.#sendFailure(stream, ongoing, error),
      )
      .catch((err: unknown) => {
        // A request that was neither answered nor failed would hold its router's slot for ever.
        this.#deps.log.error({ err }, "an answer could not be sent");
        this.close("an answer could not be sent");
      });
  }

  #handle(ongoing: Ongoing, { stream, head: text, body, hasMore }: Frame): Promise<Answer> {
    try {
      const { head, length } = requestHeadFromWire(text);
      const whole = body.byteLength === 0 ? EMPTY_BODY : [body];
      const given: Body = hasMore ? this.#readerOf(ongoing, stream, length).body : whole;
      return this.#deps.handler.handle(head, given, ongoing.cancellation);
    } catch (error) {
      return Promise.reject(ServeError.from(error));
    }
  }

  #readerOf(ongoing: Ongoing, stream: number, length: number | undefined): BodyReader {
    const { connection } = ongoing;
    // Without credit the router sends no more of it; the answer will tell it that no more is wanted.
    const onCancel = (): void => {};
    ongoing.reader = new BodyReader({ connection, stream, length, firstCreditBytes: 0, onCancel });
    return ongoing.reader;
  }

  #cancel(stream: number): void {
    const ongoing = this.#ongoing.get(stream);
    // A CANCEL may cross the answer on its way; then there is nothing to do.
    if (ongoing === undefined) return;
    const error = new CancelledError("the caller is gone, or its deadline has passed");
    ongoing.cancellation.cancel(error);
    ongoing.reader?.body.fail(error);
  }

  #sendAnswer(stream: number, ongoing: Ongoing, { status, headers, body }: Answer): void {
    if (this.#ongoing.get(stream) !== ongoing) {
      if (isStream(body)) body.cancel(new CancelledError("the connection to the caller is gone"));
      return;
    }
    try {
      const length = isStream(body) ? body.length : undefined;
      const head = answerHeadToWire({ status, headers, length, ongoing: this.#deps.handler.ongoing });
      if (isStream(body))
        this.#stream(stream, { ongoing, head, body, isEager: body.length === undefined && isEager(status, headers) });
      else {
        this.#end(stream, ongoing);
        this.#connectionFor(ongoing, byteLengthOf(body)).send(FRAME.ANSWER, stream, head, body);
      }
    } catch (error) {
      const serveError = ServeError.from(error);
      if (isStream(body)) body.cancel(serveError);
      this.#sendFailure(stream, ongoing, serveError);
    }
  }

  #stream(stream: number, { ongoing, head, body, isEager }: Streaming): void {
    const connection = this.#connectionFor(ongoing, isEager ? 0 : (body.length ?? Infinity));
    connection.sendOpen(FRAME.ANSWER, stream, head);
    ongoing.sender = new BodySender({
      connection,
      stream,
      body,
      creditBytes: STREAM_WINDOW_BYTES,
      onDone: (error) => {
        if (error === undefined) this.#end(stream, ongoing);
        else this.#sendFailure(stream, ongoing, error, connection);
      },
    });
    ongoing.sender.start();
  }

  #sendFailure(stream: number, ongoing: Ongoing, thrown: unknown, connection = ongoing.connection): void {
    if (this.#ongoing.get(stream) !== ongoing) return;
    this.#end(stream, ongoing);
    if (!(thrown instanceof ServeError)) this.#deps.log.error({ err: thrown }, "a request handler failed unexpectedly");
    const { head, body } = errorToWire(ServeError.from(thrown), this.#deps.handler.ongoing);
    connection.send(FRAME.ERROR, stream, head, body);
  }

  #end(stream: number, { reader }: Ongoing): void {
    this.#ongoing.close(stream);
    // Whoever still reads the request's body hears that no more of it comes.
    reader?.body.fail(new CancelledError("the request has ended before its body"));
  }

  #connectionFor({ connection }: Ongoing, bytes: number): FrameConnection {
    if (bytes <= BULK_BODY_BYTES) return this.#connections.get("main") ?? connection;
    return this.#connections.get("bulk") ?? connection;
  }
}

type Streaming = {
  readonly ongoing: Ongoing;
  readonly head: string;
  readonly body: BodyStream;
  readonly isEager: boolean;
};

/** Whether a stream comes in small pieces that should not wait behind large ones: events, items, messages. */
function isEager(status: number, headers: readonly string[]): boolean {
  if (status === 101 || headers.length === 0) return true;
  return headers.some((field, at) => at % 2 === 1 && field.startsWith("text/event-stream"));
}
