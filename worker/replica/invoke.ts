import type { Clock } from "../../core/clock.ts";
import {
  DeploymentUnavailableError,
  HandlerError,
  HttpRequestError,
  InvalidRequestError,
  NotFoundError,
  type ServeError,
} from "../../core/error.ts";
import type { Logger } from "../../core/log.ts";
import type { RequestContext } from "../../core/request-context.ts";
import { runInScope, type RequestScope } from "../../core/request-scope.ts";
import { bytesOf } from "../../proto/body-bytes.ts";
import type { Body, BodyStream } from "../../proto/body.ts";
import { RECORD } from "../../proto/codec/record.ts";
import { decodeValue, encodeValue } from "../../proto/codec/value.ts";
import type { Answer, CallRequestHead, HttpRequestHead, RequestHead } from "../../proto/exchange.ts";
import { headerOf } from "../../proto/header-of.ts";
import { writeRecord } from "../../proto/record-stream.ts";
import { isRemoteMethodName } from "../../sdk/handle.ts";
import type { Actor, ReplicaIdentity } from "./actor.ts";
import { authorizeRequest } from "./authorize.ts";
import { pumpBody, type PumpOptions } from "./body-pump.ts";
import { decodeBody } from "./decode.ts";
import { fromResponse, isResponse } from "./fetch-ingress.ts";
import { iteratorOf, sourceOf, type Iterated } from "./iterator-source.ts";
import { jsonText } from "./json-text.ts";
import { adoptLightRequests, toRequest } from "./light-request.ts";
import { adoptLightResponses } from "./light-response.ts";
import { validateInput, validateOutput, type Schema } from "./schema.ts";
import { eventsAnswer } from "./sse.ts";
import { describeError, forClient, toServeError } from "./user-error.ts";
import { WebSocketIngress } from "./websocket-ingress.ts";

/**
 * Calls user code for one request: decode, validate, call, validate, encode. Whatever user code does, a request ends
 * with an answer or a ServeError; an answer that streams ends with its body.
 */

/** What an invoker is made of. */
export type InvokerDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly identity: ReplicaIdentity;
  /** The actor: an instance of the user's class, or an object with the user's function as its `fetch`. */
  readonly instance: object;
  readonly input: Schema | undefined;
  readonly output: Schema | undefined;
};

type Method = (...args: unknown[]) => unknown;

const JSON_HEADERS = ["content-type", "application/json"];
const BYTES_HEADERS = ["content-type", "application/octet-stream"];
const NO_HEADERS: readonly string[] = [];

/** The user's actor, behind the frame server's words. */
export class Invoker implements Actor {
  readonly #deps: InvokerDeps;
  readonly #fetch: Method | undefined;
  readonly #predict: Method | undefined;
  readonly #sockets: WebSocketIngress;
  readonly #isGuarded: boolean;

  constructor(deps: InvokerDeps) {
    this.#deps = deps;
    const { instance, identity } = deps;
    this.#fetch = methodOf(instance, "fetch");
    this.#predict = methodOf(instance, "predict");
    const websocket = methodOf(instance, "websocket");
    this.#sockets = new WebSocketIngress({ deployment: identity.deployment, handler: websocket });
    this.#isGuarded = methodOf(instance, "authorize") !== undefined;
    if (this.#fetch === undefined && websocket === undefined && !this.#isGuarded) return;
    adoptLightRequests();
    adoptLightResponses();
  }

  answer(head: RequestHead, body: Body, request: RequestScope): Promise<Answer> {
    return runInScope({ kind: "request", request }, () => this.#answer(head, body, request));
  }

  goAway(): void {
    this.#sockets.goAway();
  }

  async #answer(head: RequestHead, body: Body, request: RequestScope): Promise<Answer> {
    try {
      if (head.kind === "call") return await this.#call(head, body, request);
      if (this.#isGuarded) await authorizeRequest(this.#deps.instance, head, request.cancellation);
      if (head.kind === "socket") {
        return this.#sockets.open(head, body, request, (thrown) => this.#failure(thrown, head, request));
      }
      if (this.#fetch === undefined) return await this.#predictHttp(head, body, request);
      const response = await this.#fetch(toRequest(head, body, request.cancellation));
      if (isResponse(response)) return await fromResponse(response, this.#pump(head, request));
      throw new HandlerError(`fetch of ${this.#deps.identity.deployment} returned ${typeof response}, not a Response`);
    } catch (thrown) {
      throw this.#failure(thrown, head, request);
    }
  }

  async #predictHttp(head: HttpRequestHead, body: Body, request: RequestScope): Promise<Answer> {
    const { identity, input, output } = this.#deps;
    if (this.#predict === undefined) {
      throw this.#sockets.isOffered
        ? new NotFoundError("route_not_found", `${identity.deployment} takes WebSockets only`)
        : new HandlerError(`${identity.deployment} has neither fetch nor predict: it cannot answer HTTP requests`);
    }
    if (head.method !== "POST") {
      const message = `${head.method} is not understood here; send POST with the input as the body`;
      throw new HttpRequestError("method_not_allowed", message, { details: { allow: ["POST"] } });
    }
    const bytes = bytesOf(body);
    const isGathered = bytes instanceof Promise;
    const decoded = decodeBody(
      headerOf(head.headers, "content-type") ?? "",
      isGathered ? await bytes : bytes,
      isGathered,
    );
    const value = input === undefined ? decoded : await validateInput(input, decoded, identity.deployment);
    const raw = await this.#predict(value, request.context satisfies RequestContext);
    const iterator = iteratorOf(raw);
    if (iterator !== undefined) return await this.#events(iterator, head, request);
    if (isResponse(raw)) return await fromResponse(raw, this.#pump(head, request));
    const result = output === undefined ? raw : await validateOutput(output, raw, identity.deployment);
    if (result instanceof Uint8Array) return { status: 200, headers: BYTES_HEADERS, body: [result] };
    return { status: 200, headers: JSON_HEADERS, body: [Buffer.from(jsonText(result))] };
  }

  #events(iterator: Iterated, head: RequestHead, request: RequestScope): Promise<Answer> {
    const { clock, identity, output } = this.#deps;
    const validate =
      output === undefined ? undefined : (item: unknown) => validateOutput(output, item, identity.deployment);
    const source = sourceOf(iterator, { kind: "request", request });
    return eventsAnswer({ clock, validate, source, ...this.#pump(head, request) });
  }

  async #call(head: CallRequestHead, body: Body, request: RequestScope): Promise<Answer> {
    const { instance, identity } = this.#deps;
    const method = isRemoteMethodName(head.method) ? methodOf(instance, head.method) : undefined;
    if (method === undefined) {
      // The calling code is wrong, and not whoever sent the request that it works for.
      throw new HandlerError(`deployment ${identity.deployment} has no method ${head.method} that a handle can call`);
    }
    const bytes = bytesOf(body);
    const args = decodeValue(bytes instanceof Promise ? await bytes : bytes);
    if (!Array.isArray(args)) throw new InvalidRequestError("the arguments of a call did not arrive as a list");
    const result = await method(...(args as unknown[]));
    const iterator = iteratorOf(result);
    if (iterator === undefined) {
      return { status: 200, headers: NO_HEADERS, body: encodeValue(result, `the result of ${head.method}`) };
    }
    const root = `an item of ${head.method}`;
    // Copied: once asked for the next item a generator may use the memory of this one again, and it may still wait here.
    const write = (stream: BodyStream, item: unknown): void =>
      void writeRecord(stream, RECORD.ITEM, [Buffer.concat(encodeValue(item, root))]);
    const source = sourceOf(iterator, { kind: "request", request });
    const stream = await pumpBody({ source, write, ...this.#pump(head, request) });
    return { status: 200, headers: NO_HEADERS, body: stream };
  }

  #pump(head: RequestHead, request: RequestScope): Pick<PumpOptions, "toError" | "cancellation"> {
    return { toError: (thrown) => this.#failure(thrown, head, request), cancellation: request.cancellation };
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
    return head.kind === "call" ? error : forClient(error, identity.deployment, context.requestId);
  }
}

function methodOf(instance: object, name: string): Method | undefined {
  const method: unknown = (instance as Record<string, unknown>)[name];
  return typeof method === "function" ? (method.bind(instance) as Method) : undefined;
}
