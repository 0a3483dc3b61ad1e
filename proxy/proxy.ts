import type { Clock } from "../core/clock.ts";
import { CancelledError, HandlerError, HttpRequestError, NotFoundError, ServeError } from "../core/error.ts";
import { ERROR_MAP } from "../core/error-map.ts";
import type { RequestId } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metric.ts";
import { randomSuffix, type Random } from "../core/random.ts";
import type { RouteEntry } from "../core/table.ts";
import { headerOf } from "../proto/header-of.ts";
import { EMPTY_BODY, isStream, type Body } from "../proto/body.ts";
import type { ProxySettings } from "../proto/control/message.ts";
import { degradedName, DEGRADED_HEADER } from "../routing/fallback.ts";
import type { RoutedAnswer, RouterRequest } from "../routing/routed-request.ts";
import type { Routers } from "../routing/routers.ts";
import { Access, type Admission } from "./access.ts";
import { checkSocketOrigin, corsHeaders, NO_CORS, preflightAnswer, withCors } from "./cors.ts";
import { docsPage, DOCS_POLICY, openapiText } from "./docs-page.ts";
import { errorAnswer, errorEvent } from "./error-response.ts";
import { answerOwnPath, isOwnPath } from "./health.ts";
import type { ExchangeHandler, HttpAnswer, HttpExchange, UpgradeExchange } from "./http-front.ts";
import { HttpMetrics, type HttpSeries } from "./http-metrics.ts";
import { answerHeaders, modelIdOf, priorityOf, readProxyHead, timeoutOf, type ProxyHead } from "./request-head.ts";
import { RouteTable, type FoundRoute } from "./route-table.ts";
import { ClientSockets } from "./websocket.ts";
import { readHandshake, SOCKET_VERSION } from "./websocket-handshake.ts";

/** What a proxy is made of. */
export type ProxyDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly routers: Routers;
  /** Prometheus text of the whole node. */
  readonly nodeMetrics: () => Promise<string>;
  /** Undefined: the node's only proxy, with none in front that is believed. */
  readonly settings?: Pick<ProxySettings, "proxyCount" | "trustedProxies"> | undefined;
};

/** Counted, never sent: there is nobody left to read it. */
const CLIENT_GONE_STATUS = 499;
/** A WebSocket is open. */
const SWITCHING_PROTOCOLS = 101;

/** The request path of HTTP: which route, how much, until when, to a replica, and back. */
export class Proxy implements ExchangeHandler {
  readonly #deps: ProxyDeps;
  readonly #httpMetrics: HttpMetrics;
  /** Of requests that belong to no application. */
  readonly #ownSeries: HttpSeries;
  readonly #sockets: ClientSockets;
  readonly #access: Access;
  /** With a counter behind it, a request's id; random, so that two proxies never make the same one. */
  readonly #idPrefix: string;
  #idCount = 0;
  #table: RouteTable | undefined;
  #isDraining = false;
  #isOut = false;

  constructor(deps: ProxyDeps) {
    this.#deps = deps;
    this.#httpMetrics = new HttpMetrics(deps.metrics);
    this.#ownSeries = this.#httpMetrics.seriesOf("");
    this.#sockets = new ClientSockets(deps);
    const { clock, settings: { proxyCount, trustedProxies } = { proxyCount: 1, trustedProxies: [] } } = deps;
    this.#access = new Access({ clock, proxyCount, trustedProxies });
    this.#idPrefix = `${randomSuffix(deps.random, 12)}-`;
  }

  /** The proxy was asked to end: it says so to load balancers, and goes on serving. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Whether load balancers are to go elsewhere, because the node was emptied; whoever comes all the same is served. */
  setOut(isOut: boolean): void {
    this.#isOut = isOut;
  }

  /** Sends load balancers and the clients of WebSockets elsewhere. Resolves when no WebSocket is left. */
  drain(): Promise<void> {
    this.#isDraining = true;
    return this.#sockets.drain();
  }

  /** Cuts what WebSockets there are; the other connections are the front's to close. */
  close(): void {
    this.#isDraining = true;
    this.#sockets.close();
  }

  /** One request, from its head to its answer. */
  async handle(exchange: HttpExchange): Promise<void> {
    const startedAt = this.#deps.clock.now();
    let series = this.#ownSeries;
    let requestId = "";
    let status = 0;
    let body: Body = EMPTY_BODY;
    let answered: Body = EMPTY_BODY;
    let cors = NO_CORS;
    let admission: Admission | undefined;
    try {
      const head = readProxyHead(exchange.headers);
      requestId = this.#idOf(head);
      if (exchange.refusal !== undefined) throw exchange.refusal;
      if (isOwnPath(exchange.target)) {
        status = send(
          exchange,
          requestId,
          await ownAnswer(exchange, this.#deps, this.#isDraining || this.#isOut),
          cors,
        );
        return;
      }
      const found = this.#find(exchange.target);
      const { entry, deployment } = found.route;
      series = found.route.series;
      const preflight = preflightAnswer(entry, exchange.method, exchange.headers);
      if (preflight !== undefined) {
        status = send(exchange, requestId, preflight, cors);
        return;
      }
      cors = corsHeaders(entry, exchange.headers);
      admission = this.#access.admit(entry, exchange.remoteAddress, head.forwarded);
      const described = describe(entry, exchange.method, found.path);
      if (described !== undefined) {
        status = send(exchange, requestId, described, cors);
        return;
      }
      if (entry.ingressKind === "predict") checkPredict(exchange.method, found.path);
      body = await exchange.readBody(deployment.maxRequestBodyBytes);
      const request = requestOf(exchange, found, { kind: "http", head, requestId, startedAt, body });
      const routed = await this.#deps.routers.send(entry.ingress, request);
      answered = routed.answer.body;
      const answer = routedAnswer(routed, requestId, exchange.method);
      answered = answer.body;
      status = send(exchange, requestId, answer, cors);
    } catch (thrown) {
      drop(body, answered, thrown);
      status = this.#fail(exchange, requestId, thrown, cors);
    } finally {
      admission?.releaseAfter(answered);
      this.#count(series, status, answered, startedAt);
    }
  }

  /** One request for a WebSocket, until that is open or refused. */
  async handleUpgrade(exchange: UpgradeExchange): Promise<void> {
    const startedAt = this.#deps.clock.now();
    let series = this.#ownSeries;
    let requestId = "";
    let status = 0;
    let body: Body = EMPTY_BODY;
    let answered: Body = EMPTY_BODY;
    let admission: Admission | undefined;
    const client = refusing(exchange);
    try {
      const head = readProxyHead(exchange.headers);
      requestId = this.#idOf(head);
      if (exchange.refusal !== undefined) throw exchange.refusal;
      if (isOwnPath(exchange.target)) throw new NotFoundError("route_not_found", "paths below /-/ take no WebSockets");
      const found = this.#find(exchange.target);
      series = found.route.series;
      checkSocketOrigin(found.route.entry, exchange.headers);
      admission = this.#access.admit(found.route.entry, exchange.remoteAddress, head.forwarded);
      const handshake = readHandshake(exchange.headers);
      const socket = this.#sockets.create();
      body = socket.messages;
      const request = requestOf(exchange, found, { kind: "socket", head, requestId, startedAt, body });
      const routed = await this.#deps.routers.send(found.route.entry.ingress, request);
      answered = routed.answer.body;
      if (routed.answer.status === SWITCHING_PROTOCOLS) {
        const headers = [...ownHeaders(routed, false), "x-request-id", requestId];
        this.#sockets.open(socket, exchange, { handshake, answer: routed.answer, headers, series, startedAt });
        status = SWITCHING_PROTOCOLS;
      } else {
        socket.messages.end();
        status = send(client, requestId, routedAnswer(routed, requestId, "GET"), NO_CORS);
      }
    } catch (thrown) {
      drop(body, answered, thrown);
      status = this.#fail(client, requestId, thrown, NO_CORS);
    } finally {
      admission?.releaseAfter(answered);
      if (status !== SWITCHING_PROTOCOLS) this.#count(series, status, answered, startedAt);
    }
  }

  onRefused(status: number): void {
    this.#ownSeries.count(status, 0);
  }

  #idOf({ requestId }: ProxyHead): string {
    return requestId === "" ? this.#idPrefix + (this.#idCount++).toString(36) : requestId;
  }

  #find(target: string): FoundRoute {
    const view = this.#deps.routers.currentView();
    if (this.#table?.view !== view) this.#table = new RouteTable(view, this.#httpMetrics);
    return this.#table.find(target);
  }

  #fail(exchange: Answerable, requestId: string, thrown: unknown, cors: readonly string[]): number {
    if (exchange.cancellation.reason !== undefined) return CLIENT_GONE_STATUS;
    const error = withoutCancellation(ServeError.from(thrown));
    if (error.code === "internal") this.#deps.log.error({ requestId, err: thrown }, "a request failed unexpectedly");
    return send(exchange, requestId, errorAnswer(error, requestId), cors);
  }

  /** Counts a request when its answer is complete: a stream that broke off is counted as what it broke off with. */
  #count(series: HttpSeries, status: number, answered: Body, startedAt: number): void {
    if (!isStream(answered)) {
      series.count(status, (this.#deps.clock.now() - startedAt) / 1_000);
      return;
    }
    answered.onSettled((error) => {
      const ending = error === undefined ? status : ERROR_MAP[error.code].http;
      series.count(ending, (this.#deps.clock.now() - startedAt) / 1_000);
    });
  }
}

type RequestParts = {
  readonly kind: "http" | "socket";
  readonly head: ProxyHead;
  readonly requestId: string;
  readonly startedAt: number;
  readonly body: Body;
};

/** What goes to the router. */
function requestOf(exchange: HttpExchange | UpgradeExchange, found: FoundRoute, parts: RequestParts): RouterRequest {
  const { route, path } = found;
  const { kind, head, requestId, startedAt, body } = parts;
  // An upgrade is a GET.
  const method = "method" in exchange ? exchange.method : "GET";
  return {
    head: {
      kind,
      requestId: requestId as RequestId,
      depth: 0,
      traceparent: head.traceparent,
      method,
      path,
      prefix: route.entry.prefix,
      headers: head.forwarded,
    },
    body,
    deadlineAt: startedAt + timeoutOf(head, route.deployment.requestTimeoutMs),
    isIdempotent: route.deployment.idempotent || method === "GET" || method === "HEAD",
    priority: priorityOf(head),
    key: head.key,
    modelId: modelIdOf(head),
    cancellation: exchange.cancellation,
  };
}

/** Whoever waits for an answer. */
type Answerable = Pick<HttpExchange, "answer" | "cancellation">;

/** Sends an answer; gives the status that is counted. */
function send(exchange: Answerable, requestId: string, answer: HttpAnswer, cors: readonly string[]): number {
  const { status, body, lastWords } = answer;
  const headers = [...withCors(answer.headers, cors), "x-request-id", requestId];
  exchange.answer({ status, headers, body, lastWords });
  return exchange.cancellation.reason === undefined ? status : CLIENT_GONE_STATUS;
}

/** A client that asked for a WebSocket: any answer but 101 is its last, and says which version is spoken. */
function refusing(exchange: UpgradeExchange): Answerable {
  const { cancellation } = exchange;
  const version = ["sec-websocket-version", SOCKET_VERSION];
  return { cancellation, answer: (answer) => exchange.refuse({ ...answer, headers: answer.headers.concat(version) }) };
}

/** Answers the proxy's own pages. */
function ownAnswer({ method, target }: HttpExchange, deps: ProxyDeps, isDraining: boolean): Promise<HttpAnswer> {
  if (method !== "GET" && method !== "HEAD") throw methodError(method, ["GET", "HEAD"]);
  const { routers, nodeMetrics } = deps;
  return answerOwnPath(target, { view: routers.view, isDraining, nodeMetrics });
}

/** A replica's answer as it leaves the proxy. */
function routedAnswer(routed: RoutedAnswer, requestId: string, method: string): HttpAnswer {
  const { status, body, headers: given } = routed.answer;
  if (status < 200) throw new HandlerError(`the deployment answered with status ${status}, which ends no request`);
  const headers = ownHeaders(routed, method === "HEAD");
  if (!isStream(body)) return { status, headers, body };
  if (method === "HEAD" || status === 204 || status === 304) {
    body.cancel(new CancelledError("this answer has no body"));
    return { status, headers, body: EMPTY_BODY };
  }
  if (headerOf(given, "content-type")?.startsWith("text/event-stream") !== true) return { status, headers, body };
  return { status, headers, body, lastWords: (error) => errorEvent(error, requestId) };
}

function ownHeaders({ answer, version, degradedBy }: RoutedAnswer, isLengthKept: boolean): string[] {
  const headers = answerHeaders(answer.headers, isLengthKept);
  headers.push("x-thornback-version", version);
  if (degradedBy !== undefined) headers.push(DEGRADED_HEADER, degradedName(degradedBy));
  return headers;
}

/** A client that waits is told more than that a call inside the application was cancelled. */
function withoutCancellation(error: ServeError): ServeError {
  if (error.code !== "cancelled") return error;
  return new HandlerError("the deployment gave the request up: a call that it made was cancelled", { cause: error });
}

/** Nobody will read what of a failed request is still under way. */
function drop(body: Body, answered: Body, thrown: unknown): void {
  if (isStream(body)) body.cancel(ServeError.from(thrown));
  if (isStream(answered)) answered.cancel(ServeError.from(thrown));
}

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
function checkPredict(method: string, path: string): void {
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
