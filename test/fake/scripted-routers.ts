import { systemClock, systemDefer } from "../../core/clock.ts";
import type { DeploymentId, Version } from "../../core/ids.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { systemRandom } from "../../core/random.ts";
import type { DeploymentEntry, RouteEntry } from "../../core/table.ts";
import type { Body } from "../../proto/body.ts";
import type { RoutedAnswer, RouterRequest } from "../../routing/routed-request.ts";
import { Routers } from "../../routing/routers.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { RecordingLog } from "./recording-log.ts";
import { deploymentEntry, routeEntry, snapshot } from "./table.ts";

/** How a test answers a request. */
export type AnswerRequest = (request: RouterRequest) => Promise<RoutedAnswer>;

/** Routers with a real table and no replicas: the test answers. */
export class ScriptedRouters extends Routers {
  readonly requests: RouterRequest[] = [];
  readonly #answer: AnswerRequest;

  constructor(
    answer: AnswerRequest,
    table: { routes?: readonly RouteEntry[]; deployment?: Partial<DeploymentEntry> } = {},
  ) {
    const log = new RecordingLog();
    const metrics = createMetrics();
    const network = new MemoryNetwork();
    super({ clock: systemClock, random: systemRandom, log, metrics, network, defer: systemDefer }, "proxy");
    this.#answer = answer;
    const routes = (table.routes ?? [routeEntry("/")]).map((route) => ({ kind: "route" as const, ...route }));
    this.apply(snapshot(1, [...routes, deploymentEntry(table.deployment)]));
  }

  override send(_id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer> {
    this.requests.push(request);
    return this.#answer(request);
  }
}

/** An answer as a router gives it. */
export function routed(status: number, body: Body = [], headers: readonly string[] = []): RoutedAnswer {
  return { answer: { status, headers, body }, version: "v1" as Version };
}
