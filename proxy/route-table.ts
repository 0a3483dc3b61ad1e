import { InvalidRequestError, NotFoundError } from "../core/error.ts";
import type { DeploymentEntry, RouteEntry } from "../core/table.ts";
import type { RoutingView } from "../routing/routing-table.ts";
import { matchRoute, type RefusalReason, type RouteIndex } from "./decide/match-route.ts";
import type { HttpMetrics, HttpSeries } from "./http-metrics.ts";

/** A route with all that its requests need; made once per table. */
export type Route = {
  readonly entry: RouteEntry;
  /** Its ingress. */
  readonly deployment: DeploymentEntry;
  readonly series: HttpSeries;
};

/** Where a request goes. */
export type FoundRoute = {
  readonly route: Route;
  /** Below the prefix, always with a leading slash, query included. */
  readonly path: string;
};

const REFUSED_PATH: Readonly<Record<RefusalReason, string>> = {
  notAPath: "it does not begin with a slash",
  badEncoding: "its percent-encoding is broken",
  nulOrBackslash: "it holds a NUL or a backslash",
  dotSegment: "it holds a segment that is . or ..",
};

/** The routes of one routing table. */
export class RouteTable {
  /** What it was made from; another view needs another table. */
  readonly view: RoutingView;
  readonly #index: RouteIndex<Route>;

  constructor(view: RoutingView, metrics: HttpMetrics) {
    this.view = view;
    const routes = new Map<string, Route>();
    for (const [prefix, entry] of view.routes) {
      const deployment = view.deployments.get(entry.ingress);
      // The controller publishes both at once: where one is missing the application is not served.
      if (deployment === undefined) continue;
      routes.set(prefix, { entry, deployment, series: metrics.seriesOf(entry.application) });
    }
    this.#index = { routes, mostPrefixSegments: view.mostPrefixSegments };
  }

  /**
   * The route that a request's target belongs to.
   *
   * @throws {NotFoundError} when there is none.
   * @throws {InvalidRequestError} when the target is no path that may be served.
   */
  find(target: string): FoundRoute {
    const decision = matchRoute(target, this.#index);
    if (decision.kind === "match") return decision;
    if (decision.kind === "refused") {
      throw new InvalidRequestError(`the path is refused: ${REFUSED_PATH[decision.reason]}`);
    }
    throw new NotFoundError("route_not_found", "nothing is served under this path: GET /-/routes lists what is");
  }
}
