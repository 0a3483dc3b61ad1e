import { HandlerError, type ServeError } from "../../core/error.ts";
import { MOST_FRAME_BODY_BYTES, STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import type { RequestScope } from "../../core/request-scope.ts";
import { BodyStream, byteLengthOf, isStream } from "../../proto/body.ts";
import type { Answer } from "../../proto/exchange.ts";
import type { Expiring } from "../../routing/deadline-sweep.ts";
import { DEGRADED_HEADER } from "../../routing/fallback.ts";

/** Where a request's end goes. */
export type OngoingRequestEnd = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ServeError) => void;
  /** Its deadline has passed. */
  readonly tooLate: () => ServeError;
  /** Called once, with `ok` or an error's code: its slot is free. */
  readonly onEnd: (outcome: string) => void;
};

/**
 * One request that a replica has taken:
 *
 *     started → answered (its answer streams) → ended         started → ended: a whole answer, an error, a cancellation
 */
export class OngoingRequest implements Expiring {
  readonly request: RequestScope;
  readonly startedAt: number;
  deadlineAt: number;
  sweepIndex = -1;
  readonly #end: OngoingRequestEnd;
  #unsubscribe: (() => void) | undefined;
  #streaming: BodyStream | undefined;
  #hasEnded = false;

  constructor(request: RequestScope, startedAt: number, end: OngoingRequestEnd) {
    this.request = request;
    this.startedAt = startedAt;
    this.deadlineAt = request.context.deadlineAt;
    this.#end = end;
  }

  /** Listens to its cancellation. False when it was cancelled before. */
  start(): boolean {
    this.#unsubscribe = this.request.cancellation.onCancel((error) => this.fail(error));
    return !this.#hasEnded;
  }

  /** The actor's answer. One that streams, or is longer than a window, keeps the slot until its last byte is on its way. */
  answer(given: Answer): void {
    const { degradedBy } = this.request;
    const answer = degradedBy === undefined ? given : markDegraded(given, degradedBy);
    const { body } = answer;
    if (this.#hasEnded) {
      const { reason } = this.request.cancellation;
      // The actor went on after its request was cancelled, which it may; what it then gives nobody takes.
      if (isStream(body) && reason !== undefined) body.cancel(reason);
      return;
    }
    if (isStream(body)) {
      this.#stream(answer, body);
      return;
    }
    const bytes = byteLengthOf(body);
    if (bytes <= STREAM_WINDOW_BYTES) {
      this.#finish("ok");
      this.#end.resolve(answer);
    } else if (bytes <= MOST_FRAME_BODY_BYTES) {
      this.#stream(answer, streamOf(body, bytes));
    } else {
      this.fail(new HandlerError(`the answer has ${bytes} bytes; at most ${MOST_FRAME_BODY_BYTES} can be sent`));
    }
  }

  /** Fails it, or breaks off the answer that streams. */
  fail(error: ServeError): void {
    if (this.#hasEnded) return;
    if (this.#streaming !== undefined) {
      this.#streaming.abort(error);
      return;
    }
    this.#finish(error.code);
    this.#end.reject(error);
  }

  onDeadline(): void {
    this.request.cancellation.cancel(this.#end.tooLate());
  }

  #stream({ status, headers }: Answer, body: BodyStream): void {
    this.#streaming = body;
    this.#end.resolve({ status, headers, body });
    body.onSettled((error) => this.#finish(error?.code ?? "ok"));
  }

  #finish(outcome: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#unsubscribe?.();
    this.#end.onEnd(outcome);
  }
}

/** Says that a fallback had a part in an answer. One that streams says what was so when it began. */
function markDegraded({ status, headers, body }: Answer, degradedBy: string): Answer {
  return { status, headers: [...headers, DEGRADED_HEADER, degradedBy], body };
}

/** A whole body in pieces: then no hop has to hold all of it, and a drain waits for a client that takes it slowly. */
function streamOf(body: readonly Uint8Array[], length: number): BodyStream {
  const stream = new BodyStream({ onConsumed: () => {}, onCancel: () => {} }, length);
  for (const part of body) stream.write(part);
  stream.end();
  return stream;
}
