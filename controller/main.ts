import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { MOST_UNWRITTEN_LOG_BYTES } from "../core/limits.ts";
import { createMetrics } from "../core/metric-registry.ts";
import { metricText } from "../core/metric-text.ts";
import type { Address } from "../core/network.ts";
import { type ControllerConfig, DATA_DIR } from "../core/process-config.ts";
import { systemRandom } from "../core/random.ts";
import { serveControl } from "../proto/control-server.ts";
import { connectLifeline, type Lifeline } from "../proto/control/lifeline.ts";
import { readText } from "./act/read-text.ts";
import { BlobCollector } from "./act/blob-collector.ts";
import { Controller } from "./controller.ts";
import { serveAdmin } from "./service/admin-http.ts";
import { FileBlobStore } from "./state/file-blob-store.ts";
import { type FileStore, openFileStore } from "./state/file-store.ts";

/** The controller's process: wires the real clock, files and sockets to the controller, and ends it. */

/** Between two looks for files that no kept release needs. */
const COLLECT_BLOBS_MS = 60_000;
/** Everything is closed by then, or the process ends without waiting. */
const CLOSE_TIMEOUT_MS = 1_500;

const [configPath] = process.argv.slice(2);
if (configPath === undefined) throw new Error("usage: main.ts <config.json>; `serve start` starts the controller");
const config = JSON.parse(readFileSync(configPath, "utf8")) as ControllerConfig;
const destination = pino.destination({ fd: 1, maxLength: MOST_UNWRITTEN_LOG_BYTES });
// A disk that is full must fail nothing but the log itself; what could not be written is written with the next line.
destination.on("error", () => undefined);
const log = pino({ level: config.logLevel, base: { component: "controller" } }, destination);

const closers: (() => Promise<void> | void)[] = [];
let isEnding = false;

/** Closes what was opened, the last first, and ends the process. */
function end(code: number, reason: string): void {
  if (isEnding) return;
  isEnding = true;
  log.info({ reason }, "the controller ends");
  setTimeout(() => process.exit(code), CLOSE_TIMEOUT_MS);
  void closeAll()
    .catch((err: unknown) => log.error({ err }, "closing failed"))
    .finally(() => process.exit(code));
}

async function closeAll(): Promise<void> {
  for (const close of closers.reverse()) await close();
}

const lifeline: Lifeline = connectLifeline(
  config.lifelineSocket,
  { kind: "hello", role: "controller", pid: process.pid },
  { onMessage: () => undefined, onClose: () => end(0, "the supervisor is gone") },
);
process.on("SIGTERM", () => end(0, "SIGTERM"));
process.on("SIGINT", () => end(0, "SIGINT"));

/** Trying again will not help: the supervisor is told why, and does not start this process again. */
function fail(thrown: unknown, what: string): void {
  if (isEnding) return;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const reason = what === "" ? text : `${what}: ${text}`;
  log.fatal({ err: thrown }, reason);
  lifeline.send({ kind: "failed", reason });
  end(1, reason);
}

/** Runs a step of the start; names the object and the flag when it fails. */
async function step<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    fail(thrown, what);
    throw thrown;
  }
}

function portInUse(address: Address, flag: string): string {
  return `cannot listen on ${address.host}:${address.port} (another program may have the port; ${flag} changes it)`;
}

async function start(): Promise<void> {
  const blobs = new FileBlobStore({ dir: join(config.dataDir, DATA_DIR.blobs) });
  const store: FileStore = await step("", () => openFileStore({ log, dir: join(config.dataDir, DATA_DIR.store) }));
  closers.push(() => store.close());
  await step("", () => blobs.prepare());

  const metrics = createMetrics();
  const controller = await step("", () =>
    Controller.start({
      clock: systemClock,
      random: systemRandom,
      log,
      metrics,
      store,
      blobs,
      readText: (url) => readText(fetch, url),
    }),
  );
  closers.push(() => controller.close());

  const grpc = await step(portInUse(config.grpc, "--grpc-port"), () =>
    serveControl(controller.service, config.grpc, config.token),
  );
  closers.push(() => grpc.close());

  const collector = new BlobCollector({ clock: systemClock, log, blobs });
  const admin = await step(portInUse(config.admin, "--admin-port"), () =>
    serveAdmin(
      {
        log,
        controller,
        blobs,
        collector,
        self: `controller-${process.pid}`,
        ownMetrics: () => metricText(metrics.samples()),
        guard: { host: config.admin.host, token: config.token },
        onShutdown: () => lifeline.send({ kind: "shutdown" }),
      },
      config.admin,
    ),
  );
  closers.push(() => admin.close());
  const collecting = setInterval(
    () => void collector.collect(controller.snapshot().applications.values()),
    COLLECT_BLOBS_MS,
  );
  closers.push(() => clearInterval(collecting));

  lifeline.send({ kind: "controllerReady", admin: admin.address, grpc: grpc.address });
  log.info({ admin: admin.address, grpc: grpc.address }, "the controller is ready");
}

start().catch((thrown: unknown) => fail(thrown, ""));
