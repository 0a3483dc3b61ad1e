import { systemDefer } from "../../core/clock.ts";
import { InvalidSpecError } from "../../core/error.ts";
import { deploymentId } from "../../core/ids.ts";
import type { ApplicationName, DeploymentName } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { metricText } from "../../core/metric-text.ts";
import { seededRandom } from "../../core/random.ts";
import type { TableEntry, TableUpdate } from "../../core/table.ts";
import { Proxy } from "../../proxy/proxy.ts";
import { Routers } from "../../routing/routers.ts";
import { ReplicaHandles } from "../../worker/replica/handles.ts";
import { client } from "../client.ts";
import type { Client } from "../client.ts";
import type { Application } from "../application.ts";
import type { Bound } from "../deployment.ts";
import type { Handle } from "../handle.ts";
import type { ApplicationGraph } from "../load-app.ts";
import { openApiDocument } from "../openapi.ts";
import { setEnvironment } from "./environment.ts";
import { InProcessNetwork } from "./in-process-network.ts";
import { ManualClock } from "./manual-clock.ts";
import { RequestExchange } from "./request-exchange.ts";
import { TestReplicas } from "./test-replicas.ts";

/** Options of a test application. */
export type TestApplicationOptions = {
  /** Folder that models and native packages are found from; default the working directory. */
  readonly dir?: string | undefined;
  /** Values of the secrets that `env` names. */
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  /** Gets what the runtime logs; default: errors go to the console. */
  readonly log?: Logger | undefined;
};

/** What a test application is started from. */
export type TestApplicationSource = {
  readonly graph: ApplicationGraph;
  readonly applicationDir: string;
  readonly packageDirs: readonly string[];
  readonly options: TestApplicationOptions;
  /** Called last when it closes. */
  readonly onClosed: () => Promise<void>;
};

const ORIGIN = "http://localhost";

/**
 * An application in this process, without a port: the same proxy, routers, replicas, batches and handles that serve it in
 * a cluster, over a network of microtasks. One replica of each deployment. Its time is `clock`, which the test moves.
 */
export class TestApplication<T> {
  /** Moves the application's time: deadlines, time limits of a start. User code's own timers are not touched. */
  readonly clock = new ManualClock();
  /** A typed client of the ingress. */
  readonly client: Client<Application<T>>;
  readonly #source: TestApplicationSource;
  readonly #replicas: TestReplicas;
  readonly #routers: Routers;
  readonly #handles: ReplicaHandles;
  readonly #proxy: Proxy;
  readonly #restoreEnvironment: () => void;
  readonly #entries: TableEntry[] = [];
  #version = 0;
  #closing: Promise<void> | undefined;

  private constructor(source: TestApplicationSource) {
    const { graph, applicationDir, packageDirs, options } = source;
    const { log = consoleErrors, secrets = {} } = options;
    const [clock, random, metrics, network] = [this.clock, seededRandom(1), createMetrics(), new InProcessNetwork()];
    const deps = { clock, random, log, metrics, network, defer: systemDefer };
    this.#source = source;
    this.#restoreEnvironment = setEnvironment(graph, secrets);
    this.#routers = new Routers(deps, "proxy");
    this.#handles = new ReplicaHandles(deps);
    const nodeMetrics = async (): Promise<string> => metricText(metrics.samples());
    this.#proxy = new Proxy({ ...deps, routers: this.#routers, nodeMetrics });
    const onReady = (entries: readonly TableEntry[]): void => this.#publish(entries);
    this.#replicas = new TestReplicas({ ...deps, graph, applicationDir, packageDirs, secrets, onReady });
    const fetch: typeof globalThis.fetch = (input, init) => this.fetch(input, init);
    this.client = client<Application<T>>(ORIGIN + graph.routePrefix, { fetch });
  }

  /** Starts every deployment; rejects with the first failure, and leaves nothing behind then. */
  static async start<T>(source: TestApplicationSource): Promise<TestApplication<T>> {
    let application: TestApplication<T> | undefined;
    try {
      application = new TestApplication<T>(source);
      await application.#replicas.start();
      application.#publish([application.#route()]);
      return application;
    } catch (error) {
      await (application?.close() ?? source.onClosed());
      throw error;
    }
  }

  /** Name of the application. */
  get name(): string {
    return this.#source.graph.name;
  }

  /** Sends an HTTP request, as to the proxy's port; a path is taken as it is, route prefix included. */
  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input instanceof Request ? input : new URL(input, ORIGIN), init);
    const exchange = new RequestExchange(request);
    await Promise.race([this.#proxy.handle(exchange), exchange.response]);
    return exchange.response;
  }

  /**
   * A handle of one deployment, as another deployment has it.
   *
   * @param deployment - what `bind` returned, or the deployment's name
   * @throws {InvalidSpecError} when it is no part of this application
   */
  handle<D>(deployment: Bound<D> | string): Handle<D> {
    const { graph } = this.#source;
    const name = typeof deployment === "string" ? (deployment as DeploymentName) : graph.nameOf(deployment);
    if (name === undefined || !graph.deployments.some((one) => one.name === name)) {
      const names = graph.deployments.map((one) => one.name).join(", ");
      throw new InvalidSpecError(
        `${String(name ?? "the deployment")} is no part of application ${graph.name}: ${names}`,
      );
    }
    return this.#handles.make(graph.name, name) as Handle<D>;
  }

  /** Runs every `teardown`, closes every model, and gives the environment back. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#routers.close();
    this.#handles.close();
    try {
      await this.#replicas.close();
    } finally {
      this.#restoreEnvironment();
      await this.#source.onClosed();
    }
  }

  #publish(entries: readonly TableEntry[]): void {
    this.#entries.push(...entries);
    const version = ++this.#version;
    const update: TableUpdate = {
      epoch: 1,
      version,
      kind: "snapshot",
      baseVersion: 0,
      upserts: [...this.#entries],
      removals: [],
    };
    this.#routers.apply(update);
    this.#handles.apply(update);
    this.#replicas.apply(update);
  }

  #route(): TableEntry {
    const { graph } = this.#source;
    return {
      kind: "route",
      prefix: graph.routePrefix,
      application: graph.name as ApplicationName,
      ingress: deploymentId(graph.name, graph.ingress),
      ingressKind: graph.ingressKind,
      openapi: JSON.stringify(openApiDocument(graph)),
      access: graph.access,
      cors: graph.cors,
    };
  }
}

/** A test wants to see why an answer was 500, and nothing else. */
const consoleErrors: Logger = {
  debug() {},
  info() {},
  warn() {},
  error({ err }, message) {
    console.error(message, err ?? "");
  },
};
