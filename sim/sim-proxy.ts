import { invariant } from "../core/assert.ts";
import { Cancellation } from "../core/cancellation.ts";
import { CancelledError } from "../core/error.ts";
import type { DeploymentId, ReplicaId, Version } from "../core/ids.ts";
import type { DeploymentLoad } from "../core/load.ts";
import type { TableUpdate, TrafficSplit } from "../core/table.ts";
import { isStream } from "../proto/body.ts";
import type { WorkerLink } from "../proto/control/link.ts";
import type { ParentMessage, RunFile } from "../proto/control/message.ts";
import type { HttpAnswer, HttpExchange } from "../proxy/http-front.ts";
import { Proxy } from "../proxy/proxy.ts";
import { Routers } from "../routing/routers.ts";
import type { EventSink, Outcome } from "./event.ts";
import { createSimLog } from "./sim-log.ts";
import type { SimLinks } from "./sim-link.ts";
import { createRouterMetrics } from "./sim-metrics.ts";
import { emitLeft, noteRequests, sumOf } from "./sim-left.ts";
import type { SimProcess } from "./sim-process.ts";
import type { ClientRequest } from "./workload.ts";
import type { World } from "./world.ts";

/**
 * A proxy process: the production proxy and routers, wired as `proxy/main.ts` wires them, with the clients of the
 * workload in place of an HTTP front.
 */

/** What a proxy is made from. */
export type SimProxyDeps = {
  readonly world: World;
  readonly process: SimProcess;
  readonly links: SimLinks;
  readonly run: RunFile;
  /** The newest table on the node's disk, so that it serves before its worker has one. */
  readonly stored: TableUpdate | undefined;
  readonly exit: (code: number) => void;
  /** Makes the routers; tests put broken ones there. */
  readonly createRouters?: ((deps: ConstructorParameters<typeof Routers>[0]) => Routers) | undefined;
};

/** What every client sends. */
const BODY = new TextEncoder().encode('{"x":1}');

/** How a request ended, from its answer. */
function outcomeOf({ status, body }: HttpAnswer): Outcome {
  if (status === 200) return "ok";
  invariant(!isStream(body), "an error came as a stream");
  const text = Buffer.concat(body).toString();
  return (JSON.parse(text) as { readonly code: Outcome }).code;
}

function isNamed({ shares, rules }: TrafficSplit, version: Version): boolean {
  return (
    shares.some((share) => share.version === version && share.percent > 0) ||
    rules.some((rule) => rule.version === version)
  );
}

/** One proxy. */
export class SimProxy {
  readonly #deps: SimProxyDeps;
  readonly #emit: EventSink;
  readonly #routers: Routers;
  readonly #proxy: Proxy;
  readonly #link: WorkerLink;
  readonly #open = new Set<ClientRequest>();

  constructor(deps: SimProxyDeps) {
    this.#deps = deps;
    const { world, process, links, run, stored } = deps;
    this.#emit = (event) => {
      if (process.isAlive) world.emit(event);
    };
    const { clock, random, defer } = process;
    const log = createSimLog(process.name, this.#emit, world.onLine);
    const metrics = createRouterMetrics(process.name, this.#emit);
    const left = new Map<DeploymentId, number>();
    const onLoads = (loads: readonly DeploymentLoad[]): void => {
      noteRequests(left, loads);
      this.#link.send({ kind: "loads", loads });
    };
    world.onEnd(() => emitLeft(process, "proxy", this.#emit, sumOf(left)));
    const routerDeps = { clock, random, defer, log, metrics, network: world.net.network(process), onLoads };
    this.#routers = deps.createRouters?.(routerDeps) ?? new Routers(routerDeps, "proxy");
    const nodeMetrics = (): Promise<string> => Promise.resolve("");
    this.#proxy = new Proxy({ clock, random, log, metrics, routers: this.#routers, nodeMetrics });
    process.onDeath(() => this.#orphanAll());
    const options = { socketPath: run.controlSocket, id: run.id, secret: run.controlSecret };
    this.#link = links.connect(process, options, {
      onMessage: (message) => this.#take(message),
      onOrphaned: () => deps.exit(0),
    });
    if (stored !== undefined) this.#apply(stored);
    this.#link.send({ kind: "proxy", address: run.listen, reason: "" });
  }

  get process(): SimProcess {
    return this.#deps.process;
  }

  /** Whether a load balancer would send a client here. */
  get isOpen(): boolean {
    return this.process.isAlive && !this.#proxy.isDraining && this.#routers.view !== undefined;
  }

  /** A client sends a request; how it ends becomes an event. */
  async send(request: ClientRequest): Promise<void> {
    const { process } = this.#deps;
    const { id, deployment, timeoutMs, cancelAfterMs } = request;
    const isIdempotent = this.#routers.view?.deployments.get(deployment)?.idempotent ?? false;
    const router = process.name;
    this.#emit({ kind: "requestStarted", request: id, router, deployment, isIdempotent, timeoutMs });
    this.#open.add(request);
    const cancellation = new Cancellation();
    const goAway = (): void => {
      this.#emit({ kind: "requestCancelled", request: id });
      cancellation.cancel(new CancelledError("the client went away"));
    };
    const timer = cancelAfterMs === undefined ? undefined : process.clock.after(cancelAfterMs, goAway);
    const answers: HttpAnswer[] = [];
    const headers = ["content-type", "application/json", "x-request-id", id];
    const exchange: HttpExchange = {
      method: "POST",
      target: `/${deployment.slice(0, deployment.indexOf("/"))}`,
      headers: [...headers, "x-thornback-timeout-ms", String(timeoutMs)],
      remoteAddress: "127.0.0.1",
      cancellation,
      refusal: undefined,
      readBody: () => Promise.resolve([BODY]),
      answer: (answer) => void answers.push(answer),
    };
    await this.#proxy.handle(exchange);
    timer?.cancel();
    if (!process.isAlive || !this.#open.delete(request)) return;
    // Each answer is one end: two would be found out, and so would none.
    if (cancellation.reason !== undefined) answers.length = 0;
    const outcomes = cancellation.reason === undefined ? answers.map(outcomeOf) : (["cancelled"] as const);
    for (const outcome of outcomes) this.#emit({ kind: "requestEnded", request: id, router, deployment, outcome });
  }

  #take(message: ParentMessage): void {
    switch (message.kind) {
      case "table":
        this.#apply(message.update);
        return;
      case "drain":
        void this.#proxy.drain();
        this.#deps.exit(0);
        return;
      case "getSamples":
        this.#link.send({ kind: "samples", id: message.id, samples: [] });
        return;
      default:
    }
  }

  #apply(update: TableUpdate): void {
    const { process } = this.#deps;
    if (this.#routers.apply(update) === "gap") {
      this.#link.redial();
      return;
    }
    const view = this.#routers.view;
    if (view === undefined) return;
    for (const route of view.routes.values()) this.#routers.warm(route.ingress);
    const replicas = new Set<ReplicaId>();
    const unnamed = new Set<ReplicaId>();
    for (const [deployment, entries] of view.replicas) {
      const traffic = view.deployments.get(deployment)?.traffic;
      for (const { id, version } of entries) {
        replicas.add(id);
        if (traffic !== undefined && !isNamed(traffic, version)) unnamed.add(id);
      }
    }
    const queues = new Map<DeploymentId, { readonly most: number; readonly slots: number }>();
    for (const [id, entry] of view.deployments) {
      const slots = (view.replicas.get(id) ?? []).reduce((sum, { maxOngoingRequests }) => sum + maxOngoingRequests, 0);
      queues.set(id, { most: entry.maxQueuedRequests, slots });
    }
    const { epoch, version } = view;
    const table = { epoch, version, replicas, unnamed, queues };
    this.#emit({ kind: "tableApplied", router: process.name, node: process.host, ...table });
    this.#link.send({ kind: "tableApplied", epoch, version });
  }

  #orphanAll(): void {
    for (const { id } of this.#open) this.#deps.world.emit({ kind: "requestOrphaned", request: id });
    this.#open.clear();
  }
}
