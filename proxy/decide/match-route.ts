/** The routes there are, by prefix. */
export type RouteIndex<Route> = {
  readonly routes: ReadonlyMap<string, Route>;
  /** Path segments of the longest prefix. */
  readonly mostPrefixSegments: number;
};

/** Which route a target belongs to. */
export type MatchDecision<Route> =
  | {
      readonly kind: "match";
      readonly route: Route;
      /** What follows the prefix, as it came: begins with a slash, query included. */
      readonly path: string;
    }
  | { readonly kind: "notFound"; readonly reason: "noRoute" }
  | { readonly kind: "refused"; readonly reason: "notAPath" | "badEncoding" | "nulOrBackslash" | "dotSegment" };

type Refusal = Extract<MatchDecision<never>, { readonly kind: "refused" }>;

/** Why a target is refused. */
export type RefusalReason = Refusal["reason"];

const NO_ROUTE: MatchDecision<never> = { kind: "notFound", reason: "noRoute" };

/** What makes a path need a closer look: an encoding, a NUL or backslash, a segment that is empty or all dots. */
const UNUSUAL = /[%\\\0#]|\/(?:\/|\.{1,2}(?:\/|$))/;

/**
 * Finds the route with the longest prefix of whole segments: `/a` is a prefix of `/a` and `/a/b`, not of `/ab`. Segments
 * are percent-decoded once, to be compared and judged; what goes on to the application is what came. An encoded slash is
 * part of its segment and never separates, but what it hides may not be a dot segment either.
 */
export function matchRoute<Route>(target: string, index: RouteIndex<Route>): MatchDecision<Route> {
  const end = endOfPath(target);
  const rawPath = end === target.length ? target : target.slice(0, end);
  // Nearly every path is plain, and then its prefixes are cut out of it without reading it segment by segment.
  if (rawPath.startsWith("/") && !UNUSUAL.test(rawPath)) return matchPlain(target, rawPath, index);
  const segments = readSegments(rawPath, index.mostPrefixSegments);
  if (typeof segments === "string") return { kind: "refused", reason: segments };
  for (let count = segments.prefixes.length - 1; count >= 0; count--) {
    const candidate = segments.prefixes[count];
    if (candidate === undefined) continue;
    const route = index.routes.get(candidate.decoded);
    if (route === undefined) continue;
    return matched(route, target, candidate.rawEnd);
  }
  return NO_ROUTE;
}

/** A path that is its own decoding, without empty segments but perhaps the last. */
function matchPlain<Route>(target: string, path: string, index: RouteIndex<Route>): MatchDecision<Route> {
  let end = 0;
  for (let count = 0; count < index.mostPrefixSegments && end + 1 < path.length; count++) {
    const slash = path.indexOf("/", end + 1);
    end = slash < 0 ? path.length : slash;
  }
  for (; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const route = index.routes.get(path.slice(0, end));
    if (route !== undefined) return matched(route, target, end);
  }
  const root = index.routes.get("/");
  return root === undefined ? NO_ROUTE : matched(root, target, 0);
}

function matched<Route>(route: Route, target: string, prefixEnd: number): MatchDecision<Route> {
  const rest = prefixEnd === 0 ? target : target.slice(prefixEnd);
  return { kind: "match", route, path: rest.startsWith("/") ? rest : `/${rest}` };
}

type Prefix = { readonly decoded: string; readonly rawEnd: number };

/** Checks a path and gives its first prefixes, shortest (`/`) first; or why the path is refused. */
function readSegments(rawPath: string, mostSegments: number): { readonly prefixes: readonly Prefix[] } | RefusalReason {
  if (!rawPath.startsWith("/")) return "notAPath";
  const prefixes: Prefix[] = [{ decoded: "/", rawEnd: 0 }];
  let decoded = "";
  let isWhole = true;
  let start = 1;
  while (start <= rawPath.length) {
    const slash = rawPath.indexOf("/", start);
    const end = slash < 0 ? rawPath.length : slash;
    const segment = readSegment(rawPath.slice(start, end));
    if (segment.kind === "refused") return segment.reason;
    // A prefix has no empty segments, so nothing after one can belong to it.
    isWhole &&= end > start;
    if (isWhole && prefixes.length <= mostSegments) {
      decoded += `/${segment.text}`;
      prefixes.push({ decoded, rawEnd: end });
    }
    start = end + 1;
  }
  return { prefixes };
}

function readSegment(raw: string): { readonly kind: "ok"; readonly text: string } | Refusal {
  let text = raw;
  if (raw.includes("%")) {
    try {
      text = decodeURIComponent(raw);
    } catch {
      return { kind: "refused", reason: "badEncoding" };
    }
  }
  if (text.includes("\0") || text.includes("\\")) return { kind: "refused", reason: "nulOrBackslash" };
  const parts = text.includes("/") ? text.split("/") : [text];
  if (parts.some((part) => part === "." || part === "..")) return { kind: "refused", reason: "dotSegment" };
  return { kind: "ok", text: text.replaceAll("/", "%2F") };
}

function endOfPath(target: string): number {
  const query = target.indexOf("?");
  const fragment = target.indexOf("#");
  if (query < 0) return fragment < 0 ? target.length : fragment;
  return fragment < 0 ? query : Math.min(query, fragment);
}
