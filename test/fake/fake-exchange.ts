import { Cancellation } from "../../core/cancellation.ts";
import type { Body } from "../../proto/body.ts";
import type { HttpAnswer, HttpExchange } from "../../proxy/http-front.ts";

/** A request without a front: what is answered is kept. */
export class FakeExchange implements HttpExchange {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly remoteAddress = "127.0.0.1";
  readonly cancellation = new Cancellation();
  readonly refusal = undefined;
  readonly answers: HttpAnswer[] = [];
  readonly #body: Body;

  constructor(method: string, target: string, { headers = [], body = [] }: { headers?: string[]; body?: Body } = {}) {
    this.method = method;
    this.target = target;
    this.headers = ["host", "x", ...headers];
    this.#body = body;
  }

  readBody(): Promise<Body> {
    return Promise.resolve(this.#body);
  }

  answer(answer: HttpAnswer): void {
    this.answers.push(answer);
  }
}
