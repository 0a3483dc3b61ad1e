import {
  DeploymentUnavailableError,
  HandlerError,
  HttpRequestError,
  InvalidRequestError,
  NotSupportedError,
  type ServeError,
} from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import { runInScope, type RequestContext, type RequestScope } from "../../core/request-scope.ts";
import { decodeValue, encodeValue } from "../../proto/codec/value.ts";
import type { Answer, CallRequestHead, HttpRequestHead, RequestHead } from "../../proto/exchange.ts";
import { isRemoteMethodName } from "../../sdk/handle.ts";
import type { Actor, ReplicaIdentity } from "./actor.ts";
import { decodeBody } from "./decode.ts";
import { fromResponse, isResponse, toRequest } from "./fetch-ingress.ts";
import { jsonText } from "./json-text.ts";
import { validateInput, validateOutput, type Schema } from "./schema.ts";
import { describeError, forClient, toServeError } from "./user-error.ts";

/**
 * Calls user code for one request: decode, validate, call, validate, encode. Whatever user code does, a request ends
 * with an answer or a ServeError.
 */

/** What an invoker is made of. */
export type InvokerDeps = {
  readonly log: Logger;
  readonly identity: ReplicaIdentity;
  /** The actor: an instance of the user's class, or an object with the user's function as its `fetch`. */
  readonly instance: object;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
};

type Method = (...args: unknown[]) => unknown;

const encoder = new TextEncoder();

/** The user's actor, behind the frame server's words. */
export class Invoker implements Actor {
  readonly #deps: InvokerDeps;
  readonly #fetch: Method | undefined;
  readonly #predict: Method | undefined;

  constructor(deps: InvokerDeps) {
    this.#deps = deps;
    this.#fetch = methodOf(deps.instance, "fetch");
    this.#predict = methodOf(deps.instance, "predict");
  }

  async answer(head: RequestHead, body: Uint8Array, request: RequestScope): Promise<Answer> {
    try {
      return await runInScope({ kind: "request", request }, () =>
        head.kind === "http" ? this.#http(head, body, request) : this.#call(head, body),
      );
    } catch (thrown) {
      throw this.#failure(thrown, head, request);
    }
  }

  async #http(head: HttpRequestHead, body: Uint8Array, request: RequestScope): Promise<Answer> {
    if (this.#fetch !== undefined) {
      const response = await this.#fetch(toRequest(head, body, request.cancellation));
      if (isResponse(response)) return await fromResponse(response, request.cancellation);
      throw new HandlerError(`fetch of ${this.#deps.identity.deployment} returned ${typeof response}, not a Response`);
    }
    return await this.#predictHttp(head, body, request);
  }

  async #predictHttp(
    head: HttpRequestHead,
    body: Uint8Array,
    { context, cancellation }: RequestScope,
  ): Promise<Answer> {
    const { identity, input, output } = this.#deps;
    if (this.#predict === undefined) {
      throw new HandlerError(`${identity.deployment} has neither fetch nor predict: it cannot answer HTTP requests`);
    }
    if (head.method !== "POST") {
      const message = `${head.method} is not understood here; send POST with the input as the body`;
      throw new HttpRequestError("method_not_allowed", message, { details: { allow: ["POST"] } });
    }
    const decoded = decodeBody(headerOf(head, "content-type"), body);
    const value = input === undefined ? decoded : await validateInput(input, decoded, identity.deployment);
    const raw = await this.#predict(value, context satisfies RequestContext);
    this.#refuseStream(raw, "predict");
    if (isResponse(raw)) return await fromResponse(raw, cancellation);
    const result = output === undefined ? raw : await validateOutput(output, raw, identity.deployment);
    if (result instanceof Uint8Array) {
      return { status: 200, headers: ["content-type", "application/octet-stream"], body: [result] };
    }
    return { status: 200, headers: ["content-type", "application/json"], body: [encoder.encode(jsonText(result))] };
  }

  async #call(head: CallRequestHead, body: Uint8Array): Promise<Answer> {
    const { instance, identity } = this.#deps;
    const method = isRemoteMethodName(head.method) ? methodOf(instance, head.method) : undefined;
    if (method === undefined) {
      throw new InvalidRequestError(
        `deployment ${identity.deployment} has no method ${head.method} that a handle can call`,
      );
    }
    const args = decodeValue(body);
    if (!Array.isArray(args)) throw new InvalidRequestError("the arguments of a call did not arrive as a list");
    const result = await method(...(args as unknown[]));
    this.#refuseStream(result, head.method);
    return { status: 200, headers: [], body: encodeValue(result, `the result of ${head.method}`) };
  }

  #refuseStream(result: unknown, method: string): void {
    if (typeof result !== "object" || result === null) return;
    const isStream = Symbol.asyncIterator in result || (Symbol.iterator in result && "next" in result);
    if (!isStream) return;
    throw new NotSupportedError(
      `${method} of ${this.#deps.identity.deployment} returned a stream, which cannot be sent yet; return the whole result`,
    );
  }

  #failure(thrown: unknown, head: RequestHead, { context, cancellation }: RequestScope): ServeError {
    const { log, identity } = this.#deps;
    const error = toServeError(thrown);
    // Nobody waits for a cancelled request any more, and its errors are mostly the cancellation's echo.
    if (error.code === "handler_failed" && cancellation.reason === undefined) {
      const isAsked = error.details.status !== undefined && error.details.status < 500;
      // What is no Error would be logged as nothing, or as text that no reader of the log takes for an error.
      const err = thrown instanceof Error ? thrown : { message: describeError(thrown, "") };
      const fields = { requestId: context.requestId, err };
      if (isAsked) log.debug(fields, `${identity.deployment} refused a request`);
      else log.error(fields, `${identity.deployment} failed to answer a request`);
    }
    if (error.code === "replica_draining" || error.code === "replica_overloaded") {
      // Came from a nested call; said here it would mean that this replica took nothing.
      return new DeploymentUnavailableError(error.message, { cause: error });
    }
    return head.kind === "http" ? forClient(error, identity.deployment, context.requestId) : error;
  }
}

function methodOf(instance: object, name: string): Method | undefined {
  const method: unknown = (instance as Record<string, unknown>)[name];
  return typeof method === "function" ? (method.bind(instance) as Method) : undefined;
}

function headerOf(head: HttpRequestHead, name: string): string {
  const { headers } = head;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === name) return headers[at + 1] as string;
  }
  return "";
}
