/**
 * A replica's process: wiring only. Its one argument is its run file. It starts blank, with everything loaded that an
 * actor may need, and becomes a replica when its worker orders one.
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { pino } from "pino";
import { systemClock, systemDefer } from "../../core/clock.ts";
import { setDefaultSetting } from "../../core/construction.ts";
import { MOST_UNWRITTEN_LOG_BYTES } from "../../core/limits.ts";
import type { Counter } from "../../core/metric.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { systemRandom } from "../../core/random.ts";
import { currentScope } from "../../core/request-scope.ts";
import { connectLifeline } from "../../proto/control/lifeline.ts";
import { connectControl, type WorkerLink } from "../../proto/control/link.ts";
import type { ReplicaOrder, RunFile } from "../../proto/control/message.ts";
import { tcpNetwork } from "../../proto/tcp-network.ts";
import {
  abandonedModelRuns,
  closeWarmThread,
  isThreadBusy,
  threadBusyMs,
  warmSessionThread,
} from "../../session/onnx-session.ts";
import type { ReplicaIdentity } from "./actor.ts";
import { ConsoleCapture } from "./console.ts";
import { replicaEnvironment } from "./environment.ts";
import { loadDeployment } from "./load-code.ts";
import { ReplicaProcess, type PreparedCode } from "./replica-process.ts";
import { describeError } from "./user-error.ts";
import { catchUserExit, ExitCalled } from "./user-exit.ts";

/** A last report still leaves before the process ends. */
const LAST_WORDS_MS = 50;
/** A thread that does not close by then is computing something that nobody waits for. */
const MOST_ENDING_MS = 2_000;
/** How long SIGTERM lets requests finish: SIGKILL follows after KILL_AFTER_MS. */
const SIGTERM_DRAIN_MS = 3_000;

const run = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as RunFile;
// Written at once: what a replica says last, before it is killed or crashes, is what one wants to read.
const destination = pino.destination({ fd: 1, sync: true, maxLength: MOST_UNWRITTEN_LOG_BYTES });
// A disk that is full must fail nothing but the log itself; what could not be written is written with the next line.
destination.on("error", () => undefined);
const log = pino({ level: run.logLevel, base: { process: run.id } }, destination);
const clock = systemClock;
const random = systemRandom;
const metrics = createMetrics();
let printed: ConsoleCapture | undefined;
let unhandledRejections: Counter | undefined;

const exit = catchUserExit(
  process,
  () => replica.bundleDir,
  (reason) => replica.fail(reason, false),
);
const replica = new ReplicaProcess({
  clock,
  random,
  log,
  metrics,
  network: tcpNetwork,
  defer: systemDefer,
  listen: run.listen,
  bindLog: (fields) => log.child(fields),
  prepare,
  send: (message) => void link.send(message),
  redial: () => link.redial(),
  // Whoever has no model by now needs no thread for one.
  onReady: () => void closeWarmThread(),
  vitals: {
    loopActiveMs: () => performance.eventLoopUtilization().active,
    modelBusyMs: threadBusyMs,
    abandonedRuns: abandonedModelRuns,
    hasBeat: true,
  },
  exit: end,
});

connectLifeline(
  run.lifelineSocket,
  { kind: "hello", role: "replica", pid: process.pid },
  {
    onMessage: () => {},
    onClose: () => endNow(0),
  },
);
const link: WorkerLink = dialWorker();
void warmSessionThread();

process.on("SIGTERM", () => void replica.drain(SIGTERM_DRAIN_MS));
process.on("uncaughtException", (error) => {
  if (error instanceof ExitCalled) return;
  log.error({ err: error }, "an error was thrown where nothing could catch it");
  replica.fail(`uncaught: ${describeError(error, replica.bundleDir)}`, false);
});
// Most often the echo of one request's failure: the process and its other requests go on.
process.on("unhandledRejection", (error) => {
  if (error instanceof ExitCalled) return;
  unhandledRejections?.add(1);
  log.error({ err: error, ...currentRequestId() }, "a promise was rejected and nobody looked");
});

function dialWorker(): WorkerLink {
  const { id, controlSocket: socketPath, controlSecret: secret } = run;
  const options = { socketPath, id, secret, pid: process.pid };
  return connectControl({ clock, random, log }, options, {
    onMessage: (message) => replica.onMessage(message),
    onOrphaned: () => void replica.drain(SIGTERM_DRAIN_MS),
  });
}

/** Everything about the process that user code may notice, before any of it runs. */
function prepare(order: ReplicaOrder, identity: ReplicaIdentity): PreparedCode {
  const { launch, bundleDir, projectDir } = order;
  Object.assign(process.env, replicaEnvironment(launch));
  process.setSourceMapsEnabled(true);
  captureConsole(identity);
  unhandledRejections = metrics.counter("thornback_replica_unhandled_rejections_total", {
    deployment: identity.deploymentId,
  });
  const packageDirs = [projectDir, process.cwd()];
  // For models that are made at the top of a module or in setup, outside any construction.
  setDefaultSetting({ clock, applicationDir: bundleDir, packageDirs, cpus: launch.options.resources.cpus, log });
  return { packageDirs, load: () => loadDeployment(launch, bundleDir, projectDir) };
}

function captureConsole({ application, deployment, deploymentId, replica: id, node, version }: ReplicaIdentity): void {
  // Whatever the log level is: what user code prints is for its author.
  const lines = log.child(
    { application, deployment, replica: id, node, version, source: "console" },
    { level: "debug" },
  );
  printed = new ConsoleCapture({
    clock,
    dropped: metrics.counter("thornback_console_dropped_bytes_total", { deployment: deploymentId }),
    emit(level, text) {
      lines[level](currentRequestId(), text);
    },
  });
  printed.install({ console, stdout: process.stdout, stderr: process.stderr });
}

/** The request that prints or fails, for its log line. */
function currentRequestId(): { readonly requestId?: string } {
  const scope = currentScope();
  return scope?.kind === "request" ? { requestId: scope.request.context.requestId } : {};
}

function end(code: number): void {
  link.close();
  setTimeout(() => endNow(code), MOST_ENDING_MS);
  // A thread that is still warming up is let finish first.
  void closeWarmThread().then(() => setTimeout(() => endNow(code), LAST_WORDS_MS));
}

function endNow(code: number): void {
  printed?.flush();
  // Leaving in order would end the model's thread in the middle of a run, which aborts the process with a core dump.
  if (isThreadBusy()) process.kill(process.pid, "SIGKILL");
  exit(code);
}
