/**
 * The requests that were sent to one replica and have not ended there, by the number of their stream.
 *
 *     sent → answered → ended            sent → answered with MORE → (DATA …) → ended           any → failed
 *       └ body that streams: waits for the first CREDIT, then is sent as far as credit goes
 *
 * A request has ended when the replica has said so, to the last byte of a stream, also where nobody waits for it any more.
 */
import { CancelledError, InternalError, QueueFullError, ServeError } from "../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../core/limits.ts";
import { byteLengthOf, EMPTY_BODY, isStream, type Body } from "../proto/body.ts";
import {
  answerHeadFromWire,
  countFromWire,
  errorFromWire,
  requestHeadToWire,
  type AnswerHead,
  type OutgoingHead,
} from "../proto/codec/exchange.ts";
import type { Answer } from "../proto/exchange.ts";
import { BodyReader } from "../proto/frame/body-reader.ts";
import { BodySender } from "../proto/frame/body-sender.ts";
import type { FrameConnection } from "../proto/frame/connection.ts";
import { FRAME, type Frame } from "../proto/frame/frame.ts";
import { StreamNumbers, StreamSlots } from "../proto/frame/stream-slots.ts";

/** Who waits for the end of a request; exactly one of the two is called, once. */
export interface ReplicaStream {
  /** A body that streams goes on after this, and then ends or fails by itself. */
  onAnswer(answer: Answer): void;
  /** `wasHanded`: whether a byte of the request was handed to a socket. */
  onError(error: ServeError, wasHanded: boolean): void;
  /** Whether it could be sent to another replica after this one had begun with it. */
  readonly isRepeatable: boolean;
}

/** What the requests tell whoever has the link. */
export interface SentRequestsOwner {
  /** The connection for a body of so many bytes; undefined while there is none. */
  connectionFor(bodyBytes: number): FrameConnection | undefined;
  /** The replica answered, or failed, a request, and had so many ongoing then. Before its stream hears of it. */
  onReply(code: ServeError["code"] | "ok", ongoing: number): void;
  /** A request has ended at the replica. After its stream has heard of it. */
  onEnded(): void;
  /** Nobody waits for one of them any more; it goes on until the replica has said so. */
  onCancelled(): void;
  /** The replica broke the rules: the link is to be dropped. */
  onBroken(reason: string): void;
}

type Sent = {
  /** undefined: answered, or cancelled and nobody waits. */
  stream: ReplicaStream | undefined;
  readonly connection: FrameConnection;
  readonly frame: number;
  /** Sends the request's body, where that streams. */
  sender: BodySender | undefined;
  /** Reads the answer's body, once that streams. */
  reader: BodyReader | undefined;
};

/** Why the rest of a request's body is not wanted; its client hears of the request's end instead. */
const GIVEN_UP = new CancelledError("the request has ended before its body");

/** The requests at one replica; see the head of this file. */
export class SentRequests {
  readonly #owner: SentRequestsOwner;
  readonly #sent = new StreamSlots<Sent>();
  readonly #numbers = new StreamNumbers();

  constructor(owner: SentRequestsOwner) {
    this.#owner = owner;
  }

  /** Requests that have not ended. */
  get size(): number {
    return this.#sent.size;
  }

  /** Whether anybody still waits for one of them. */
  get isAwaited(): boolean {
    return this.#sent.all().some(({ entry: { stream, reader } }) => stream !== undefined || reader !== undefined);
  }

  /**
   * Sends a request. Gives the number to cancel it by.
   *
   * @throws {ServeError} when its head cannot be sent, or there is no connection.
   */
  send(head: OutgoingHead, body: Body, timeoutMs: number, stream: ReplicaStream): number {
    const text = requestHeadToWire(head, timeoutMs, isStream(body) ? body.length : undefined);
    const connection = this.#owner.connectionFor(bodyBytesOf(head, body));
    if (connection === undefined) throw new InternalError("there is no link to the replica");
    const id = this.#numbers.take();
    if (id === undefined)
      throw new QueueFullError("a replica has as many requests as a link can carry: try again later");
    if (!isStream(body)) {
      const frame = connection.send(FRAME.REQUEST, id, text, body);
      this.#sent.open(id, { stream, connection, frame, sender: undefined, reader: undefined });
      return id;
    }
    const frame = connection.sendOpen(FRAME.REQUEST, id, text);
    const sent: Sent = { stream, connection, frame, sender: undefined, reader: undefined };
    const onDone = (error: ServeError | undefined): void => this.#onBodyDone(id, sent, error);
    sent.sender = new BodySender({ connection, stream: id, body, creditBytes: 0, onDone });
    this.#sent.open(id, sent);
    return id;
  }

  /** Nobody waits for this request any more; the stream hears nothing more of it. */
  cancel(id: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined || (sent.stream === undefined && sent.reader === undefined)) return;
    sent.stream = undefined;
    sent.reader = undefined;
    sent.sender?.stop(GIVEN_UP);
    sent.connection.send(FRAME.CANCEL, id, "");
    this.#owner.onCancelled();
  }

  /** Fails with `error` what could as well be sent to another replica, without waiting for this one. */
  giveUp(error: ServeError): void {
    for (const { number, entry } of this.#sent.all()) {
      const { stream } = entry;
      if (stream?.isRepeatable !== true) continue;
      this.cancel(number);
      stream.onError(error, true);
    }
  }

  /** The link is gone, and all of them with it. */
  failAll(error: ServeError): void {
    const failed = this.#sent.all();
    for (const { number } of failed) this.#over(number);
    for (const { entry } of failed) {
      const { stream, connection, frame, sender, reader } = entry;
      reader?.body.fail(error);
      stream?.onError(error, frame <= connection.flushedFrames);
      sender?.stop(GIVEN_UP);
    }
  }

  /** A frame of a stream. */
  onFrame(frame: Frame): void {
    const { kind } = frame;
    const sent = this.#sent.get(frame.stream);
    // What was on its way when its request ended.
    if (sent === undefined) return;
    if (kind === FRAME.ANSWER) this.#onAnswer(sent, frame);
    else if (kind === FRAME.DATA) this.#onData(sent, frame);
    else if (kind === FRAME.CREDIT) this.#onCredit(sent, frame);
    else if (kind === FRAME.ERROR) this.#onError(sent, frame);
    else this.#owner.onBroken(`the replica sent a frame of kind ${kind}`);
  }

  #onAnswer(sent: Sent, frame: Frame): void {
    let head: AnswerHead;
    try {
      head = answerHeadFromWire(frame.head);
    } catch (error) {
      this.#owner.onBroken(ServeError.from(error).message);
      return;
    }
    const { status, headers } = head;
    const { stream } = sent;
    this.#owner.onReply("ok", head.ongoing);
    if (frame.hasMore) {
      sent.stream = undefined;
      if (stream === undefined) return;
      sent.reader = this.#readerOf(sent, frame.stream, head.length);
      stream.onAnswer({ status, headers, body: sent.reader.body });
      return;
    }
    this.#over(frame.stream);
    stream?.onAnswer({ status, headers, body: frame.body.byteLength === 0 ? EMPTY_BODY : [frame.body] });
    sent.sender?.stop(GIVEN_UP);
    this.#owner.onEnded();
  }

  #readerOf({ connection }: Sent, stream: number, length: number | undefined): BodyReader {
    const onCancel = (): void => this.cancel(stream);
    return new BodyReader({ connection, stream, length, firstCreditBytes: STREAM_WINDOW_BYTES, onCancel });
  }

  #onData(sent: Sent, { stream, body, hasMore }: Frame): void {
    if (sent.reader?.onData(body, hasMore) === false) {
      this.#owner.onBroken("the replica sent more than it may");
      return;
    }
    if (hasMore) return;
    this.#over(stream);
    sent.sender?.stop(GIVEN_UP);
    this.#owner.onEnded();
  }

  #onCredit({ sender }: Sent, { head }: Frame): void {
    const bytes = countFromWire(head);
    if (bytes === undefined) {
      this.#owner.onBroken("the replica sent a credit that is no number");
      return;
    }
    sender?.addCredit(bytes);
    // The first credit says that the request was taken: only then is the body touched.
    sender?.start();
  }

  #onError(sent: Sent, frame: Frame): void {
    const { error, ongoing } = errorFromWire(frame.head, frame.body);
    this.#over(frame.stream);
    this.#owner.onReply(error.code, ongoing);
    sent.reader?.body.fail(error);
    sent.stream?.onError(error, true);
    // Last: a body that nobody has touched may just have gone to another replica, one that was touched is of no more use.
    sent.sender?.stop(GIVEN_UP);
    this.#owner.onEnded();
  }

  /** The request's body has been sent, or broke off: then whoever made it has told the request so. */
  #onBodyDone(id: number, sent: Sent, error: ServeError | undefined): void {
    sent.sender = undefined;
    if (error !== undefined && this.#sent.get(id) === sent) sent.connection.send(FRAME.CANCEL, id, "");
  }

  #over(id: number): void {
    if (this.#sent.close(id)) this.#numbers.giveBack(id);
  }
}

/** By which the connection is chosen. A stream of small things counts as small, one of unknown length as large. */
function bodyBytesOf(head: OutgoingHead, body: Body): number {
  if (isStream(body)) return head.kind === "http" ? (body.length ?? Infinity) : 0;
  return byteLengthOf(body);
}
