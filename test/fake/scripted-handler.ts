import type { Cancellation } from "../../core/cancellation.ts";
import type { Body } from "../../proto/body.ts";
import type { Answer, RequestHandler, RequestHead } from "../../proto/exchange.ts";

/** One request that a {@link ScriptedHandler} has, for the test to end. */
export type HeldRequest = {
  readonly head: RequestHead;
  readonly body: Body;
  readonly cancellation: Cancellation;
  answer(text: string): void;
  /** Answers with a body of the test's own. */
  answerWith(body: Body): void;
  fail(error: unknown): void;
};

/** A replica's handler that holds every request until the test says how it ends. */
export class ScriptedHandler implements RequestHandler {
  /** In the order in which they came; ended ones stay. */
  readonly requests: HeldRequest[] = [];
  ongoing = 0;
  /** Set: every request is refused with it at once. */
  refusal: Error | undefined;

  handle(head: RequestHead, body: Body, cancellation: Cancellation): Promise<Answer> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    this.ongoing += 1;
    return new Promise<Answer>((resolve, reject) => {
      this.requests.push({
        head,
        body,
        cancellation,
        answer: (text) => resolve({ status: 200, headers: ["content-type", "text/plain"], body: [Buffer.from(text)] }),
        answerWith: (answered) => resolve({ status: 200, headers: [], body: answered }),
        fail: reject,
      });
    }).finally(() => (this.ongoing -= 1));
  }
}
