import type { Clock } from "../core/clock.ts";
import { HandlerError, HttpRequestError, InvalidRequestError, NotFoundError, ServeError } from "../core/error.ts";
import { ERROR_MAP } from "../core/error-map.ts";
import type { RequestId } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import { randomSuffix, type Random } from "../core/random.ts";
import type { RouteEntry } from "../core/table.ts";
import type { RoutedAnswer } from "../routing/routed-request.ts";
import type { Routers } from "../routing/routers.ts";
import { matchRoute, type MatchDecision } from "./decide/match-route.ts";
import { docsPage, DOCS_POLICY, openapiText } from "./docs-page.ts";
import { errorAnswer } from "./error-response.ts";
import { answerOwnPath, isOwnPath } from "./health.ts";
import type { ExchangeHandler, HttpAnswer, HttpExchange } from "./http-front.ts";
import { HttpMetrics } from "./http-metrics.ts";
import { answerHeaders, readProxyHead, timeoutOf, type ProxyHead } from "./request-head.ts";

/** What a proxy is made of. */
export type ProxyDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly routers: Routers;
  /** Prometheus text of the whole node. */
  readonly nodeMetrics: () => Promise<string>;
};

/** Counted, never sent: there is nobody left to read it. */
const CLIENT_GONE_STATUS = 499;

/** The request path of HTTP: which route, how much, until when, to a replica, and back. */
export class Proxy implements ExchangeHandler {
  readonly #deps: ProxyDeps;
  readonly #httpMetrics: HttpMetrics;
  /** With a counter behind it, a request's id; random, so that two proxies never make the same one. */
  readonly #idPrefix: string;
  #idCount = 0;
  /** Set when the proxy is asked to end: it says so to load balancers, and goes on serving. */
  isDraining = false;

  constructor(deps: ProxyDeps) {
    this.#deps = deps;
    this.#httpMetrics = new HttpMetrics(deps.metrics);
    this.#idPrefix = `${randomSuffix(deps.random, 12)}-`;
  }

  /** One request, from its head to its answer. */
  async handle(exchange: HttpExchange): Promise<void> {
    const startedAt = this.#deps.clock.now();
    let application = "";
    let status = 0;
    let requestId = "";
    try {
      const head = readProxyHead(exchange.headers);
      requestId = head.requestId === "" ? this.#makeId() : head.requestId;
      if (exchange.refusal !== undefined) throw exchange.refusal;
      if (isOwnPath(exchange.target)) {
        status = this.#answer(exchange, requestId, await this.#answerOwnPath(exchange));
        return;
      }
      const { route, path } = this.#route(exchange);
      application = route.application;
      const described = describe(route, exchange.method, path);
      if (described !== undefined) {
        status = this.#answer(exchange, requestId, described);
        return;
      }
      if (route.ingressKind === "predict") checkPredict(exchange, path);
      const routed = await this.#send(exchange, { route, path, head, requestId, startedAt });
      status = this.#answerRouted(exchange, requestId, routed);
    } catch (thrown) {
      status = this.#fail(exchange, requestId, thrown);
    } finally {
      this.#httpMetrics.count(application, status, (this.#deps.clock.now() - startedAt) / 1_000);
    }
  }

  onRefused(status: number): void {
    this.#httpMetrics.count("", status, 0);
  }

  #route({ target }: HttpExchange): { readonly route: RouteEntry; readonly path: string } {
    const decision: MatchDecision = matchRoute(target, this.#deps.routers.currentView());
    if (decision.kind === "match") return decision;
    if (decision.kind === "refused")
      throw new InvalidRequestError(`the path is refused: ${REFUSED_PATH[decision.reason]}`);
    throw new NotFoundError("route_not_found", "nothing is served under this path: GET /-/routes lists what is");
  }

  async #send(exchange: HttpExchange, request: RequestParts): Promise<RoutedAnswer> {
    const { route, path, head, requestId, startedAt } = request;
    const { routers } = this.#deps;
    const { maxRequestBodyBytes, requestTimeoutMs, idempotent } = routers.deployment(route.ingress);
    const deadlineAt = startedAt + timeoutOf(head, requestTimeoutMs);
    const body = await exchange.readBody(maxRequestBodyBytes);
    const { method, cancellation } = exchange;
    return routers.send(route.ingress, {
      head: {
        kind: "http",
        requestId: requestId as RequestId,
        depth: 0,
        traceparent: head.traceparent,
        method,
        path,
        prefix: route.prefix,
        headers: head.forwarded,
      },
      body,
      deadlineAt,
      isIdempotent: idempotent || method === "GET" || method === "HEAD",
      cancellation,
    });
  }

  #answerRouted(exchange: HttpExchange, requestId: string, { answer, version }: RoutedAnswer): number {
    const { status, body } = answer;
    if (status < 200) throw new HandlerError(`the deployment answered with status ${status}, which ends no request`);
    const headers = answerHeaders(answer.headers, exchange.method === "HEAD");
    headers.push("x-thornback-version", version);
    return this.#answer(exchange, requestId, { status, headers, body });
  }

  #answer(exchange: HttpExchange, requestId: string, { status, headers, body }: HttpAnswer): number {
    exchange.answer({ status, headers: [...headers, "x-request-id", requestId], body });
    return exchange.cancellation.reason === undefined ? status : CLIENT_GONE_STATUS;
  }

  #fail(exchange: HttpExchange, requestId: string, thrown: unknown): number {
    const error = ServeError.from(thrown);
    if (ERROR_MAP[error.code].http === CLIENT_GONE_STATUS) return CLIENT_GONE_STATUS;
    if (error.code === "internal") this.#deps.log.error({ requestId, err: thrown }, "a request failed unexpectedly");
    return this.#answer(exchange, requestId, errorAnswer(error, requestId));
  }

  #answerOwnPath({ method, target }: HttpExchange): Promise<HttpAnswer> {
    if (method !== "GET" && method !== "HEAD") throw methodError(method, ["GET", "HEAD"]);
    const { routers, nodeMetrics } = this.#deps;
    return answerOwnPath(target, { view: routers.view, isDraining: this.isDraining, nodeMetrics });
  }

  #makeId(): string {
    return this.#idPrefix + (this.#idCount++).toString(36);
  }
}

type RequestParts = {
  readonly route: RouteEntry;
  readonly path: string;
  readonly head: ProxyHead;
  readonly requestId: string;
  readonly startedAt: number;
};

const REFUSED_PATH: Readonly<Record<Extract<MatchDecision, { kind: "refused" }>["reason"], string>> = {
  notAPath: "it does not begin with a slash",
  badEncoding: "its percent-encoding is broken",
  nulOrBackslash: "it holds a NUL or a backslash",
  dotSegment: "it holds a segment that is . or ..",
};

/** `openapi.json` and `docs` of a predict ingress, which the proxy answers from the routing table. */
function describe(route: RouteEntry, method: string, path: string): HttpAnswer | undefined {
  if (route.ingressKind !== "predict" || (method !== "GET" && method !== "HEAD")) return undefined;
  const query = path.indexOf("?");
  const name = query < 0 ? path : path.slice(0, query);
  if (name !== "/openapi.json" && name !== "/docs") return undefined;
  const text = openapiText(route);
  if (text === undefined) return undefined;
  if (name === "/openapi.json") {
    return { status: 200, headers: ["content-type", "application/json"], body: [Buffer.from(text)] };
  }
  const headers = ["content-type", "text/html; charset=utf-8", "content-security-policy", DOCS_POLICY];
  return { status: 200, headers, body: [Buffer.from(docsPage(route))] };
}

/** A predict ingress has one path and one method. */
function checkPredict({ method }: HttpExchange, path: string): void {
  if (path !== "/" && !path.startsWith("/?")) {
    const text = "this application answers POST on its prefix only: send the request there";
    throw new NotFoundError("route_not_found", text);
  }
  if (method !== "POST") throw methodError(method, ["POST"]);
}

function methodError(method: string, allow: readonly string[]): HttpRequestError {
  const text = `${method} is not served under this path: use ${allow.join(" or ")}`;
  return new HttpRequestError("method_not_allowed", text, { details: { allow } });
}
