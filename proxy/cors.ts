/**
 * Cross-origin requests of web pages (Fetch standard, "CORS protocol") for routes that have a `cors` setting. The proxy
 * answers preflights itself, before a key is asked for, because browsers send none with them; and it adds the headers to
 * every answer of the route, errors too, so that a page can read why it was refused. What the application says in
 * `access-control-…` itself is dropped then: two such headers are one too many for a browser. A setting keeps browsers
 * from reading answers; it keeps nobody out.
 */
import type { CorsSpec } from "../core/access.ts";
import { PermissionDeniedError } from "../core/error.ts";
import type { RouteEntry } from "../core/table.ts";
import type { HttpAnswer } from "./http-front.ts";
import { headerOf } from "../proto/header-of.ts";

/** Names and values by turns, made once a setting. */
type CorsHeaders = {
  readonly origins: "*" | ReadonlySet<string>;
  /** Of every answer, after the origin. */
  readonly actual: readonly string[];
  /** Of a preflight's answer, beside those of every answer. */
  readonly preflight: readonly string[];
  readonly isReflected: boolean;
};

/** What answers of a route without `cors` say. */
export const NO_CORS: readonly string[] = [];

const compiled = new WeakMap<CorsSpec, CorsHeaders>();
/** What may be said again of `access-control-request-headers`. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~, -]{1,4096}$/;

/** What a route's answers to a request have to say about its origin; empty where the route has no `cors`. */
export function corsHeaders({ cors }: RouteEntry, headers: readonly string[]): readonly string[] {
  if (cors === undefined) return NO_CORS;
  const { origins, actual } = compile(cors);
  if (origins === "*") return ["access-control-allow-origin", "*", ...actual];
  const origin = headerOf(headers, "origin");
  // Caches must know that the answer depends on it, whether it was allowed or not.
  if (origin === undefined || !origins.has(origin)) return ["vary", "origin"];
  return ["access-control-allow-origin", origin, ...actual, "vary", "origin"];
}

/**
 * The answer to a preflight; undefined for any other request, and for routes without `cors`. One of an origin that is not
 * allowed is answered too, only without leave.
 */
export function preflightAnswer(route: RouteEntry, method: string, headers: readonly string[]): HttpAnswer | undefined {
  if (method !== "OPTIONS" || route.cors === undefined) return undefined;
  if (headerOf(headers, "origin") === undefined) return undefined;
  if (headerOf(headers, "access-control-request-method") === undefined) return undefined;
  const { preflight, isReflected } = compile(route.cors);
  const answer = [...corsHeaders(route, headers)];
  if (answer.includes("access-control-allow-origin")) {
    answer.push(...preflight);
    const asked = isReflected ? headerOf(headers, "access-control-request-headers") : undefined;
    if (asked !== undefined && HEADER_NAMES.test(asked)) answer.push("access-control-allow-headers", asked);
  }
  if (isReflected) answer.push("vary", "access-control-request-headers");
  return { status: 204, headers: answer, body: [] };
}

/**
 * Refuses a WebSocket of a web page whose origin is not allowed. Browsers ask no leave before they open one and let the page
 * read what comes, so for them the setting is upheld here. Clients that are no browsers send no origin.
 *
 * @throws {PermissionDeniedError} when the origin is not allowed.
 */
export function checkSocketOrigin({ cors }: RouteEntry, headers: readonly string[]): void {
  if (cors === undefined) return;
  const { origins } = compile(cors);
  const origin = headerOf(headers, "origin");
  if (origins === "*" || origin === undefined || origins.has(origin)) return;
  throw new PermissionDeniedError(
    "pages of this origin may not open WebSockets here: add it to the application's cors",
  );
}

/** An answer's headers with those of {@link corsHeaders} in place of its own. */
export function withCors(headers: readonly string[], cors: readonly string[]): readonly string[] {
  if (cors.length === 0) return headers;
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (!name.toLowerCase().startsWith("access-control-")) kept.push(name, headers[at + 1] ?? "");
  }
  kept.push(...cors);
  return kept;
}

function compile(cors: CorsSpec): CorsHeaders {
  const known = compiled.get(cors);
  if (known !== undefined) return known;
  const { origins, methods, headers, exposedHeaders, credentials, maxAgeSeconds } = cors;
  const actual: string[] = [];
  if (credentials) actual.push("access-control-allow-credentials", "true");
  if (exposedHeaders.length > 0) actual.push("access-control-expose-headers", exposedHeaders.join(", "));
  const preflight = ["access-control-allow-methods", methods.join(", ")];
  if (headers.length > 0) preflight.push("access-control-allow-headers", headers.join(", "));
  preflight.push("access-control-max-age", String(maxAgeSeconds));
  const made: CorsHeaders = {
    origins: origins === "*" ? "*" : new Set(origins),
    actual,
    preflight,
    isReflected: headers.length === 0,
  };
  compiled.set(cors, made);
  return made;
}
