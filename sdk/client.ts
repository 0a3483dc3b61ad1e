import type { Application } from "./application.ts";
import { eventItems } from "./client-events.ts";
import type { Bound } from "./deployment.ts";
import type { RemoteResult } from "./handle.ts";
import { errorFromProblem } from "./problem-error.ts";
import { remoteCall } from "./remote-call.ts";

/**
 * What programs outside a cluster import as `thornback/client`. Nothing here needs Node: it runs in browsers.
 */
export { createAdminClient } from "./admin-client.ts";
export type {
  AdminClient,
  AdminClientOptions,
  DrainAnswer,
  Explanation,
  PutAnswer,
  PutBody,
  RolloutAction,
  ScaleAnswer,
} from "./admin-client.ts";
export { deploy } from "./deploy.ts";
export type { DeployOptions, DeployedApplication } from "./deploy.ts";
export { ServeError } from "../core/error.ts";
export type { ErrorCode, ErrorDetails, Problem } from "../core/error.ts";

/** Options of {@link client}. */
export type ClientOptions = {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Default: the runtime's own `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
};

/** Options of one call. */
export type ClientCallOptions = {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds the application may take; it is told, and ends the work. Default: the deployment's own limit. */
  readonly timeoutMs?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
};

/** The class that an application's ingress is made of. */
type IngressOf<A> = A extends Application<infer T> ? T : A extends Bound<infer T> ? T : never;

/** What `predict` of an ingress takes, as JSON. */
type PredictInput<T> = T extends { predict(input: infer I, ...rest: never[]): unknown } ? I : never;
/** Its result as a promise, or for one that yields its items. */
type PredictOutput<T> = T extends { predict(...args: never[]): infer R } ? RemoteResult<R> : never;

/** An application, called over HTTP. */
export type Client<A> = {
  /** Sends any request below the route prefix; for an ingress with `fetch`. Answers with errors too, as `fetch` does. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
} & (IngressOf<A> extends { predict(...args: never[]): unknown }
  ? {
      /**
       * Calls the ingress's `predict`. Answers with a promise of its result; where it yields, with an AsyncIterable of its
       * items as they come: leaving the loop early ends the work.
       *
       * @throws {ServeError} with the code the application answered
       */
      predict(input: PredictInput<IngressOf<A>>, options?: ClientCallOptions): PredictOutput<IngressOf<A>>;
    }
  : unknown);

/**
 * A typed HTTP client of an application. Give it the type of the module's default export; importing the type alone
 * brings none of the application's code along.
 *
 * @param url - where the application answers, route prefix included
 *
 * @example
 * ```ts
 * import { deployment } from "thornback";
 * import { client } from "thornback/client";
 *
 * class Doubler {
 *   async predict(input: { value: number }): Promise<{ doubled: number }> {
 *     return { doubled: input.value * 2 };
 *   }
 * }
 * const app = deployment(Doubler).bind();
 *
 * async function main(): Promise<void> {
 *   const doubler = client<typeof app>("http://127.0.0.1:8000/");
 *   const { doubled } = await doubler.predict({ value: 21 });
 *   console.log(doubled);
 * }
 * export default app;
 * ```
 */
export function client<A>(url: string, options: ClientOptions = {}): Client<A> {
  const send = options.fetch ?? globalThis.fetch;
  const base = url.replace(/\/+$/, "");
  const request = (path: string, init: RequestInit): Promise<Response> => {
    const headers = new Headers(options.headers);
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    return send(base + path, { ...init, headers });
  };
  const predict = async (input: unknown, call: ClientCallOptions = {}): Promise<unknown> => {
    const isBytes = input instanceof Uint8Array;
    const response = await request("/", {
      method: "POST",
      body: isBytes ? (input as Uint8Array<ArrayBuffer>) : JSON.stringify(input),
      headers: {
        "content-type": isBytes ? "application/octet-stream" : "application/json",
        ...(call.timeoutMs === undefined ? {} : { "x-thornback-timeout-ms": String(call.timeoutMs) }),
        ...call.headers,
      },
      signal: call.signal ?? null,
    });
    if (!response.ok) throw errorFromProblem(response.status, await response.text());
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("application/octet-stream")) return new Uint8Array(await response.arrayBuffer());
    if (type.startsWith("text/event-stream") && response.body !== null) {
      return eventItems(response.body, response.status);
    }
    const text = await response.text();
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  };
  const fetchBelow = (path: string, init: RequestInit = {}): Promise<Response> =>
    request(path.startsWith("/") ? path : `/${path}`, init);
  const predictOrIterate = (input: unknown, call?: ClientCallOptions): unknown => remoteCall(predict(input, call));
  return { fetch: fetchBelow, predict: predictOrIterate } as unknown as Client<A>;
}
