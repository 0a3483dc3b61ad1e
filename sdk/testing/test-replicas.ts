import type { ReplicaLaunch } from "../../core/assignment.ts";
import type { Clock } from "../../core/clock.ts";
import { systemDefer } from "../../core/clock.ts";
import { deploymentId, splitDeploymentId } from "../../core/ids.ts";
import type { DeploymentId, DeploymentName, Digest, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import type { Metrics } from "../../core/metric.ts";
import type { Network } from "../../core/network.ts";
import type { Random } from "../../core/random.ts";
import type { TableEntry, TableUpdate } from "../../core/table.ts";
import { ReplicaHandles } from "../../worker/replica/handles.ts";
import { startActor } from "../../worker/replica/lifecycle.ts";
import type { StartedActor } from "../../worker/replica/lifecycle.ts";
import { serveReplica } from "../../worker/replica/replica-server.ts";
import type { ReplicaServer } from "../../worker/replica/replica-server.ts";
import { Replica } from "../../worker/replica/replica.ts";
import { instantiateArgs } from "../load-app.ts";
import type { ApplicationGraph, GraphDeployment } from "../load-app.ts";

/** What replicas in a test are made of. */
export type TestReplicasDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly network: Network;
  readonly graph: ApplicationGraph;
  /** Folder that models are found in. */
  readonly applicationDir: string;
  /** Folders that packages are looked for from. */
  readonly packageDirs: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
  /** Gets what routers must know of every deployment that is ready. */
  readonly onReady: (entries: readonly TableEntry[]) => void;
};

const VERSION = "000000000000" as Version;
const NODE = "test" as NodeId;
const CALL_SECRET = "test";

/** One replica of each deployment of an application, in this process, started as a worker's replica is. */
export class TestReplicas {
  readonly #deps: TestReplicasDeps;
  readonly #started: { readonly server: ReplicaServer; readonly actor: StartedActor }[] = [];
  readonly #handles: ReplicaHandles[] = [];
  #table: TableUpdate | undefined;
  readonly #names = new Set<DeploymentName>();

  constructor(deps: TestReplicasDeps) {
    this.#deps = deps;
  }

  /** Starts all of them, each after those that it calls. Rejects with the first failure. */
  async start(): Promise<void> {
    for (const deployment of this.#deps.graph.deployments) await this.#startWithDependencies(deployment);
  }

  /** Runs every `teardown` and closes every model. Rejects with what the first failing `teardown` threw. */
  async close(): Promise<void> {
    // The ingress was started last and is closed first, so that nobody calls what is gone.
    const closing = this.#started.splice(0).toReversed();
    for (const handles of this.#handles) handles.close();
    const ended = await Promise.allSettled(
      closing.map(async ({ server, actor }) => {
        await server.close();
        await actor.close();
      }),
    );
    const failed = ended.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #startWithDependencies(deployment: GraphDeployment): Promise<void> {
    if (this.#names.has(deployment.name)) return;
    this.#names.add(deployment.name);
    const needed: DeploymentName[] = [];
    instantiateArgs(deployment.args, (name) => needed.push(name));
    for (const name of needed) {
      const found = this.#deps.graph.deployments.find((one) => one.name === name);
      if (found !== undefined) await this.#startWithDependencies(found);
    }
    await this.#startOne(deployment);
  }

  async #startOne(deployment: GraphDeployment): Promise<void> {
    const { clock, random, log, metrics, network, graph, applicationDir, packageDirs, onReady } = this.#deps;
    const id = deploymentId(graph.name, deployment.name);
    const replicaId = `${id}-test` as ReplicaId;
    const identity = {
      application: graph.name,
      deployment: deployment.name,
      deploymentId: id,
      replica: replicaId,
      version: VERSION,
      node: NODE,
    };
    const handles = new ReplicaHandles({ clock, random, log, metrics, network, defer: systemDefer });
    this.#handles.push(handles);
    // `setup` may call what has been started before.
    if (this.#table !== undefined) handles.apply(this.#table);
    const actor = await startActor({
      clock,
      log,
      metrics,
      defer: systemDefer,
      identity,
      launch: this.#launchOf(deployment),
      applicationDir,
      packageDirs,
      toHandle: (name) => handles.make(graph.name, name),
      load: async () => deployment,
      onStep: () => {},
    });
    const { maxOngoingRequests } = actor;
    const handler = new Replica({ clock, random, log, metrics, identity, maxOngoingRequests, actor: actor.actor });
    const listen = { host: "in-process", port: 0 };
    const callSecret = CALL_SECRET;
    const server = await serveReplica({
      clock,
      log,
      network,
      defer: systemDefer,
      address: listen,
      replicaId,
      callSecret,
      handler,
      heldModels: actor.heldModels,
    });
    this.#started.push({ server, actor });
    const { address } = server;
    const common = { deployment: id, version: VERSION, node: NODE, zone: "", weight: 1 };
    onReady([
      deploymentEntry(deployment, id),
      { kind: "replica", ...common, id: replicaId, address, callSecret, maxOngoingRequests },
    ]);
  }

  /** Hands the table to the handles of every replica. */
  apply(update: TableUpdate): void {
    this.#table = update;
    for (const handles of this.#handles) handles.apply(update);
  }

  #launchOf({ name, options }: GraphDeployment): ReplicaLaunch {
    const { graph, secrets } = this.#deps;
    const bundle = "" as Digest;
    return { application: graph.name, deployment: name, bundle, nativePackages: [], options, secrets, gpus: [] };
  }
}

function deploymentEntry({ options }: GraphDeployment, id: DeploymentId): TableEntry {
  const { maxQueuedRequests, requestTimeoutMs, maxRequestBodyBytes, idempotent, routing, fallback } = options;
  const { application } = splitDeploymentId(id);
  return {
    kind: "deployment",
    id,
    availability: "available",
    reason: "",
    maxQueuedRequests,
    requestTimeoutMs,
    maxRequestBodyBytes,
    idempotent,
    routing,
    fallback: fallback === undefined ? undefined : deploymentId(application, fallback),
  };
}
