/**
 * The proxy process: wiring only. Its one argument is its run file. It serves from the table on disk until its worker
 * sends a newer one, so it needs neither worker nor controller to answer; it ends with the supervisor's lifeline, or
 * when its worker tells it to drain.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { systemClock, systemDefer } from "../core/clock.ts";
import { DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS, MOST_UNWRITTEN_LOG_BYTES } from "../core/limits.ts";
import { createMetrics } from "../core/metric-registry.ts";
import { metricText } from "../core/metric-text.ts";
import { DATA_DIR } from "../core/process-config.ts";
import { systemRandom } from "../core/random.ts";
import type { TableUpdate } from "../core/table.ts";
import { connectLifeline } from "../proto/control/lifeline.ts";
import { connectControl, type WorkerLink } from "../proto/control/link.ts";
import type { ParentMessage, RunFile } from "../proto/control/message.ts";
import { tcpNetwork } from "../proto/tcp-network.ts";
import { Routers } from "../routing/routers.ts";
import type { HttpFront } from "./http-front.ts";
import { listen } from "./listen.ts";
import { createNodeFront } from "./node-front.ts";
import { NodeMetricsClient } from "./node-metrics-client.ts";
import { Proxy } from "./proxy.ts";

/** A last report still leaves before the process ends. */
const LAST_WORDS_MS = 100;
/** The worker sends its table as soon as the proxy has dialled it. */
const TABLE_WAIT_MS = 1_000;

const run = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as RunFile;
const destination = pino.destination({ fd: 1, maxLength: MOST_UNWRITTEN_LOG_BYTES });
// A disk that is full must fail nothing but the log itself; what could not be written is written with the next line.
destination.on("error", () => undefined);
const log = pino({ level: run.logLevel, base: { proxy: run.id } }, destination);
const clock = systemClock;
const random = systemRandom;
const metrics = createMetrics();
const routers = new Routers(
  {
    ...{ clock, random, log, metrics, network: tcpNetwork, defer: systemDefer, place: run.proxy?.place },
    onLoads: (loads) => link.send({ kind: "loads", loads }),
  },
  "proxy",
);
const nodeMetrics = new NodeMetricsClient({
  clock,
  send: (message) => link.send(message),
  ownText: () => metricText(metrics.samples()),
});
const proxy = new Proxy({
  ...{ clock, random, log, metrics, routers, settings: run.proxy },
  nodeMetrics: () => nodeMetrics.text(),
});
const front = await createFront();
let isEnding = false;
const link: WorkerLink = dialWorker();

connectLifeline(
  run.lifelineSocket,
  { kind: "hello", role: "proxy", pid: process.pid },
  {
    onMessage: () => {},
    onClose: () => end("the supervisor is gone"),
  },
);
/** Whoever waits for the proxy wants it to know its routes; without a controller it is of use all the same. */
const { promise: hasTable, resolve: tableCame } = Promise.withResolvers<void>();
clock.after(TABLE_WAIT_MS, tableCame);
applyTable(readTable());
process.on("SIGTERM", () => drain(0));
const listener = listen({ clock, random, front }, run, (reason) => {
  log.error({ reason }, "the proxy cannot listen");
  link.send({ kind: "proxy", address: undefined, reason });
});
void listener.listening.then(async (address) => {
  if (address === undefined) return;
  log.info({ address }, "the proxy listens");
  await hasTable;
  link.send({ kind: "proxy", address, reason: "" });
});

/** The front that is asked for; the other one's code is not loaded. */
async function createFront(): Promise<HttpFront> {
  if (run.proxy?.front !== "llhttp") return createNodeFront(proxy, log);
  const { createLlhttpFront } = await import("./llhttp-front.ts");
  return createLlhttpFront(proxy, log);
}

function dialWorker(): WorkerLink {
  const { id, controlSocket: socketPath, controlSecret: secret } = run;
  const options = { socketPath, id, secret, pid: process.pid };
  return connectControl({ clock, random, log }, options, {
    onMessage,
    onOrphaned: () => drain(DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS),
  });
}

function onMessage(message: ParentMessage): void {
  switch (message.kind) {
    case "table":
      applyTable(message.update);
      return;
    case "drain":
      drain(message.timeoutMs);
      return;
    case "rotation":
      proxy.setOut(message.isOut);
      return;
    case "getSamples":
      link.send({ kind: "samples", id: message.id, samples: metrics.samples() });
      return;
    case "nodeMetrics":
      nodeMetrics.answered(message.id, message.text);
      return;
    default:
      // What else a worker says is for replicas.
      return;
  }
}

function applyTable(update: TableUpdate | undefined): void {
  if (update === undefined) return;
  if (routers.apply(update) === "gap") {
    log.warn({ epoch: update.epoch, version: update.version }, "a routing table does not follow from the one before");
    // A worker begins every connection with the whole table.
    link.redial();
    return;
  }
  const { view } = routers;
  if (view === undefined) return;
  tableCame();
  for (const route of view.routes.values()) routers.warm(route.ingress);
  link.send({ kind: "tableApplied", epoch: view.epoch, version: view.version });
}

/** The last table the node had; undefined when there is none yet, or it cannot be read: the worker's is on its way. */
function readTable(): TableUpdate | undefined {
  try {
    const update = JSON.parse(readFileSync(join(run.dataDir, DATA_DIR.table), "utf8")) as TableUpdate;
    return update.kind === "snapshot" ? update : undefined;
  } catch (err) {
    log.debug({ err }, "no routing table on disk");
    return undefined;
  }
}

/** Takes nothing new, finishes what it has, at most for so long, then ends. */
function drain(timeoutMs: number): void {
  if (isEnding) return;
  isEnding = true;
  listener.stop();
  clock.after(timeoutMs, () => end("drained as long as it may"));
  Promise.all([proxy.drain(), front.drain()]).then(
    () => end("drained"),
    (err: unknown) => {
      log.error({ err }, "draining failed");
      end("draining failed");
    },
  );
}

function end(reason: string): void {
  log.info({ reason }, "the proxy ends");
  link.close();
  front.close();
  proxy.close();
  routers.close();
  setTimeout(() => process.exit(0), LAST_WORDS_MS);
}
