/**
 * The worker's process: wiring only. Blanks and a proxy are started before anything else is loaded that can wait,
 * because the time to the first answer is mostly theirs.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { DeploymentUnavailableError } from "../core/error.ts";
import { LEAVE_WAIT_MS, MOST_UNWRITTEN_LOG_BYTES } from "../core/limits.ts";
import { createMetrics } from "../core/metric-registry.ts";
import type { Address } from "../core/network.ts";
import type { WorkerConfig } from "../core/process-config.ts";
import { DATA_DIR } from "../core/process-config.ts";
import { systemRandom } from "../core/random.ts";
import { connectLifeline } from "../proto/control/lifeline.ts";
import { listenControl } from "../proto/control/link.ts";
import type { ControllerTransport } from "../proto/transport.ts";
import { BundleCache, sweepPartialBundles } from "./bundle-cache.ts";
import { createProcessSpawner } from "./child.ts";
import { createNodeLogs } from "./log-files.ts";
import { createNodeFiles } from "./node-files.ts";
import { findResources } from "./resources.ts";
import { Worker } from "./worker.ts";

const config = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as WorkerConfig;
const { dataDir, lifelineSocket, nodeHost, labels, logLevel, warmPoolSize, inspect } = config;
const { http, hasListened, proxyCount, httpFront, trustedProxies } = config;
const clock = systemClock;
const random = systemRandom;
const destination = pino.destination({ fd: 1, sync: true, maxLength: MOST_UNWRITTEN_LOG_BYTES });
// A disk that is full must fail nothing but the log itself; what could not be written is written with the next line.
destination.on("error", () => undefined);
const log = pino({ level: logLevel, base: { component: "worker" } }, destination);
const secret = (): string => randomBytes(32).toString("hex");

/** Unix socket paths end at about 107 bytes; a deep data directory gets one in the system's folder for such things. */
const MOST_SOCKET_PATH_BYTES = 100;
const wantedSocket = join(dataDir, DATA_DIR.workerSocket);
const isLongPath = Buffer.byteLength(wantedSocket) > MOST_SOCKET_PATH_BYTES;
const socketName = `thornback-worker-${createHash("sha256").update(wantedSocket).digest("hex").slice(0, 16)}`;
const socketDir = isLongPath ? join(tmpdir(), socketName) : dirname(wantedSocket);
const controlSocket = isLongPath ? join(socketDir, "worker.sock") : wantedSocket;

let transport: (ControllerTransport & { close(): void }) | undefined;
let worker: Worker | undefined;
let isEnding = false;

const { promise: controllerAddress, resolve: knowController } = Promise.withResolvers<Address>();
if (config.controller !== undefined) knowController(config.controller);

const lifeline = connectLifeline(
  lifelineSocket,
  { kind: "hello", role: "worker", pid: process.pid },
  {
    onMessage: ({ address }) => knowController(address),
    onClose() {
      log.warn({}, "the supervisor is gone; ending");
      process.exit(1);
    },
  },
);

/** The sources run as they are, the package runs what was built from them. */
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const programs = {
  replica: fileURLToPath(new URL(`replica/main.${extension}`, import.meta.url)),
  proxy: fileURLToPath(new URL(`../proxy/main.${extension}`, import.meta.url)),
};
const execArgv = process.execArgv.filter((option) => !option.startsWith("--inspect"));

async function main(): Promise<void> {
  const files = createNodeFiles({ log, dataDir });
  const resources = findResources(config.resources, log);
  const bundles: BundleCache = new BundleCache({
    ...{ clock, random, log, dataDir },
    node: () => started.node,
    controller() {
      if (transport !== undefined) return transport;
      throw new DeploymentUnavailableError("the controller is not known yet; the bundle is fetched once it is");
    },
    fallbackDir: process.cwd(),
    ownsBlobs: config.controller !== undefined,
  });
  const started: Worker = new Worker({
    ...{ clock, random, log, metrics: createMetrics(), files, bundles, secret },
    spawner: createProcessSpawner({ clock, log, programs, execArgv, env: process.env }),
    logs: createNodeLogs({ clock, log, dataDir }),
    listener: {
      onProxyReady: (address) => lifeline.send({ kind: "proxyReady", address }),
      onProxyFailed: (reason) => lifeline.send({ kind: "failed", reason }),
      onShutdown: () => lifeline.send({ kind: "shutdown" }),
    },
    options: {
      ...{ nodeHost, labels, warmPoolSize, inspect },
      proxies: { http, hasListened, proxyCount, httpFront, trustedProxies },
      children: { controlSocket, lifelineSocket, dataDir, logLevel },
    },
  });
  worker = started;
  await mkdir(socketDir, { recursive: true, mode: 0o700 });
  await listenControl({ clock, random, log }, controlSocket, (hello, link) => started.accept(hello, link));
  const adopted = started.start();
  await sweepPartialBundles(dataDir);
  // Loading gRPC takes as long as starting a process; now it happens while the children start.
  const { grpcControllerTransport } = await import("../proto/channel.ts");
  const address = await controllerAddress;
  transport = grpcControllerTransport(address, config.token);
  await adopted;
  if (!isEnding) started.connect(transport, await resources);
}

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  // The head's own node ends with its controller.
  if (config.controller !== undefined) await worker?.departure.leave(LEAVE_WAIT_MS);
  await worker?.drain();
  lifeline.close();
  await rm(isLongPath ? socketDir : controlSocket, { recursive: true, force: true });
  process.exit(0);
}

function fail(err: unknown): void {
  log.error({ err }, "the worker cannot go on");
  process.exit(1);
}

process.on("SIGTERM", () => void end().catch(fail));
process.on("SIGINT", () => void end().catch(fail));
process.on("uncaughtException", fail);
main().catch(fail);
