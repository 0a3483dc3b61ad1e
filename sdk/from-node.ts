import type { FetchFunction } from "./deployment.ts";
import type { NodeHandler } from "./node-exchange.ts";

export type { NodeHandler } from "./node-exchange.ts";

/**
 * Makes a `fetch` function of a Node request handler, so that a Fastify, Express or Nest application is an ingress.
 *
 * @example
 * ```ts
 * import { deployment, fromNode } from "thornback";
 *
 * class Site {
 *   fetch = fromNode((request, response) => {
 *     response.setHeader("content-type", "text/plain");
 *     response.end(`you asked for ${request.url}`);
 *   });
 * }
 *
 * export default deployment(Site).bind();
 * ```
 */
export function fromNode(handler: NodeHandler): FetchFunction {
  // Loaded by those who use it: importing node:http takes longer than all the rest of this package.
  const exchange = import("./node-exchange.ts");
  return async (request) => (await exchange).exchangeWithNode(handler, request);
}
