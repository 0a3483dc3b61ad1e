import { NotFoundError } from "../core/error.ts";
import type { RoutingView } from "../routing/routing-table.ts";
import type { HttpAnswer } from "./http-front.ts";

/** What the proxy's own paths tell about. */
export type HealthSource = {
  /** undefined: no table yet. */
  readonly view: RoutingView | undefined;
  readonly isDraining: boolean;
  /** Prometheus text of the whole node. */
  readonly nodeMetrics: () => Promise<string>;
};

const OWN_PREFIX = "/-/";

/** Whether a target is one of the proxy's own paths, which no application can have. */
export function isOwnPath(target: string): boolean {
  return target.startsWith(OWN_PREFIX);
}

/**
 * Answers `/-/livez`, `/-/readyz`, `/-/healthz`, `/-/routes` and `/-/metrics`.
 *
 * @throws {NotFoundError} for any other path.
 */
export async function answerOwnPath(target: string, source: HealthSource): Promise<HttpAnswer> {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  switch (path) {
    case "/-/livez":
      // That this runs at all is the answer.
      return textAnswer(200, "ok\n");
    case "/-/readyz":
    case "/-/healthz":
      if (source.isDraining) return textAnswer(503, "draining\n");
      return source.view === undefined ? textAnswer(503, "no routing table yet\n") : textAnswer(200, "ok\n");
    case "/-/routes":
      return routesAnswer(source.view);
    case "/-/metrics":
      return bodyAnswer(200, "text/plain; version=0.0.4; charset=utf-8", await source.nodeMetrics());
    default:
      throw new NotFoundError("route_not_found", "paths below /-/ are the proxy's own, and this is none of them");
  }
}

function routesAnswer(view: RoutingView | undefined): HttpAnswer {
  const routes = [...(view?.routes.values() ?? [])]
    .map(({ prefix, application, ingress }) => ({ prefix, application, deployment: ingress }))
    .toSorted((one, other) => (one.prefix < other.prefix ? -1 : 1));
  return bodyAnswer(200, "application/json", JSON.stringify({ routes }));
}

function textAnswer(status: number, text: string): HttpAnswer {
  return bodyAnswer(status, "text/plain; charset=utf-8", text);
}

function bodyAnswer(status: number, contentType: string, text: string): HttpAnswer {
  return { status, headers: ["content-type", contentType, "cache-control", "no-store"], body: [Buffer.from(text)] };
}
