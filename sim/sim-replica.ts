import { DEFAULT_MAX_ONGOING_REQUESTS } from "../core/limits.ts";
import { type DeploymentId, deploymentId, type NodeId, type ReplicaId, type Version } from "../core/ids.ts";
import { createMetrics } from "../core/metric-registry.ts";
import type { WorkerLink } from "../proto/control/link.ts";
import type { ChildMessage, ParentMessage, ReplicaOrder, RunFile } from "../proto/control/message.ts";
import { ReplicaProcess } from "../worker/replica/replica-process.ts";
import { NO_VITALS } from "../worker/replica/vitals.ts";
import type { EventSink } from "./event.ts";
import { emitLeft, noteRequests, sumOf } from "./sim-left.ts";
import { createSimLog } from "./sim-log.ts";
import type { SimLinks } from "./sim-link.ts";
import { simDeployment } from "./sim-model.ts";
import type { SimProcess } from "./sim-process.ts";
import type { World } from "./world.ts";

/**
 * A replica process: the production one (lifecycle, invocation, batching, handles, frame server) wired as
 * `worker/replica/main.ts` wires it, around the user code of `sim-model.ts`. What it is told and what it says become
 * events.
 */

/** What a replica process is made from. */
export type SimReplicaDeps = {
  readonly world: World;
  readonly process: SimProcess;
  readonly links: SimLinks;
  readonly run: RunFile;
  readonly exit: (code: number) => void;
  /** How many times slower than usual it is just now. */
  readonly slowdown: () => number;
  /** What of its worker's messages reaches it; tests lose or change some. undefined: as they came. */
  readonly filter?:
    | ((message: ParentMessage, say: (message: ChildMessage) => void) => ParentMessage | undefined)
    | undefined;
};

/** Starts a replica process: blank, until its worker sends an order. */
export function startSimReplica(deps: SimReplicaDeps): void {
  const { world, process, links, run, exit } = deps;
  const { clock, random, defer } = process;
  const sink: EventSink = (event) => {
    if (process.isAlive) world.emit(event);
  };
  const log = createSimLog(process.name, sink, world.onLine);
  let order: ReplicaOrder | undefined;
  const left = new Map<DeploymentId, number>();
  let ongoing = 0;
  world.onEnd(() => emitLeft(process, "replica", sink, ongoing + sumOf(left)));
  const say = (message: ChildMessage): void => {
    if (message.kind === "loads") noteRequests(left, message.loads);
    if (message.kind === "replica") ongoing = message.report.ongoing;
    if (message.kind === "replica" && order !== undefined) sink(stateEvent(process, order, message.report));
    link.send(message);
  };
  const replica = new ReplicaProcess({
    clock,
    random,
    log,
    metrics: createMetrics(),
    network: world.net.network(process),
    defer,
    listen: run.listen,
    bindLog: () => log,
    prepare: (ordered, { application, deployment }) => {
      const id = deploymentId(application as never, deployment as never);
      const code = simDeployment({ process, sink, order: ordered, deployment: id, slowdown: deps.slowdown });
      return { packageDirs: [], load: () => Promise.resolve(code) };
    },
    send: say,
    redial: () => link.redial(),
    onReady: () => {},
    vitals: NO_VITALS,
    exit,
  });
  const onMessage = (came: ParentMessage): void => {
    if (came.kind === "order") {
      order = came.order;
      sink(orderEvent(process, came.order));
    }
    const message = deps.filter === undefined ? came : deps.filter(came, say);
    if (message !== undefined) replica.onMessage(message);
  };
  const options = { socketPath: run.controlSocket, id: run.id, secret: run.controlSecret };
  const link: WorkerLink = links.connect(process, options, { onMessage, onOrphaned: () => void replica.drain(0) });
}

function stateEvent(
  process: SimProcess,
  order: ReplicaOrder,
  { state, reason }: Extract<ChildMessage, { kind: "replica" }>["report"],
): Parameters<EventSink>[0] {
  const { application, deployment } = order.launch;
  return {
    kind: "replicaState",
    replica: order.replicaId as ReplicaId,
    process: process.name,
    deployment: deploymentId(application, deployment),
    version: order.version as Version,
    state,
    reason,
  };
}

function orderEvent(process: SimProcess, order: ReplicaOrder): Parameters<EventSink>[0] {
  const { application, deployment, options, gpus: gpuIds } = order.launch;
  const { cpus, gpus, memoryBytes } = options.resources;
  return {
    kind: "replicaOrdered",
    replica: order.replicaId as ReplicaId,
    process: process.name,
    node: order.node as NodeId,
    deployment: deploymentId(application, deployment),
    version: order.version as Version,
    cpus,
    gpus,
    gpuIds,
    memoryBytes,
    maxOngoingRequests: options.maxOngoingRequests ?? DEFAULT_MAX_ONGOING_REQUESTS,
  };
}
