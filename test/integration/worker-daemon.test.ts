/** A worker daemon with real children and a stand-in for the controller: what must survive the end of each of them. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bundleApplication } from "../../cli/bundle.ts";
import type { AssignedReplica, NodeReport, ReplicaReport, WorkerMessage } from "../../core/assignment.ts";
import type { DeploymentId, NodeId, ReplicaId } from "../../core/ids.ts";
import type { Address } from "../../core/network.ts";
import type { LifelineUp, WorkerConfig } from "../../core/process-config.ts";
import type { TableEntry } from "../../core/table.ts";
import type { ControlServer } from "../../proto/control-server.ts";
import { serveControl } from "../../proto/control-server.ts";
import type { WorkerStream } from "../../proto/transport.ts";

const dataDir = mkdtempSync(join(tmpdir(), "thornback-daemon-"));
const projectDir = join(dataDir, "project");
const programPath = fileURLToPath(new URL("../../worker/main.ts", import.meta.url));
const changes = new EventEmitter();
changes.setMaxListeners(100);
const pids = new Set<number>();

/** The stand-in's whole state. */
const heard: WorkerMessage[] = [];
let stream: WorkerStream | undefined;
let sendTable: ((version: number) => void) | undefined;
let tableVersion = 0;
const epoch = 1;
let wanted: readonly AssignedReplica[] = [];
let generation = 0;
const blobs = new Map<string, () => Promise<Uint8Array>>();
let control: ControlServer;
let supervisor: Server;
const lifelines = new Set<Socket>();
const said: LifelineUp[] = [];
let worker: ChildProcess;

before(async () => {
  mkdirSync(join(dataDir, "run"), { recursive: true });
  mkdirSync(join(dataDir, "logs"));
  mkdirSync(projectDir);
  writeFileSync(
    join(projectDir, "app.ts"),
    `import { deployment } from "thornback";
     class Echo { predict(input: { n: number }) { return { n: input.n + 1, pid: process.pid }; } }
     export default deployment(Echo, { idempotent: true }).bind();`,
  );
  const bundle = await bundleApplication(join(projectDir, "app.ts"), { name: "echo" });
  for (const file of bundle.files)
    blobs.set(file.digest, async () => new Uint8Array(await (await file.read()).arrayBuffer()));
  blobs.set(bundle.manifest.digest, () => Promise.resolve(bundle.manifest.bytes));
  const [application] = bundle.applications;
  const [spec] = application?.spec.deployments ?? [];
  assert.ok(application !== undefined && spec !== undefined);
  wanted = [
    {
      id: "echo-1" as ReplicaId,
      deployment: "echo/Echo" as DeploymentId,
      version: spec.version,
      desired: "run",
      launch: {
        application: application.spec.name,
        deployment: spec.name,
        bundle: application.spec.bundle,
        nativePackages: application.spec.nativePackages,
        options: spec.options,
        secrets: {},
        gpus: [],
      },
    },
  ];
  control = await serveControl(service(), { host: "127.0.0.1", port: 0 });
  supervisor = createServer((socket) => {
    lifelines.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => lifelines.delete(socket));
    socket.on("data", (chunk) => {
      for (const line of String(chunk).split("\n")) if (line !== "") said.push(JSON.parse(line) as LifelineUp);
      changes.emit("change");
    });
  });
  supervisor.listen(join(dataDir, "run/lifeline.sock"));
  await once(supervisor, "listening");
  worker = startWorker();
});

after(async () => {
  for (const socket of lifelines) socket.destroy();
  for (const pid of pids) kill(pid);
  kill(worker.pid ?? 0);
  supervisor.close();
  await control.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function service(): Parameters<typeof serveControl>[0] {
  return {
    connect(to) {
      stream = to;
      return {
        onMessage(message) {
          // Nothing here replaces what a node that ends asks for.
          if (message.kind === "heartbeat" && message.report.isLeaving === true) stream?.send({ kind: "shutdown" });
          heard.push(message);
          if (message.kind === "register") assign();
          if (message.kind === "replicas") publish();
          changes.emit("change");
        },
        onClose() {},
      };
    },
    watchTable(_known, send) {
      sendTable = (version) =>
        send({ epoch, version, kind: "snapshot", baseVersion: 0, upserts: table(), removals: [] });
      if (tableVersion > 0) sendTable(tableVersion);
      return () => {};
    },
    async readBlob(digest) {
      const read = blobs.get(digest);
      assert.ok(read !== undefined);
      const bytes = await read();
      return (async function* () {
        yield bytes;
      })();
    },
  };
}

function assign(): void {
  stream?.send({ kind: "assign", assignment: { epoch, generation: ++generation, replicas: wanted } });
}

function publish(): void {
  sendTable?.(++tableVersion);
}

function report(): ReplicaReport | undefined {
  return heard.flatMap((message) => (message.kind === "replicas" ? message.reports : [])).at(-1);
}

function node(): NodeReport | undefined {
  return heard.flatMap((message) => (message.kind === "heartbeat" ? [message.report] : [])).at(-1);
}

function table(): TableEntry[] {
  const [assigned] = wanted;
  const replica = report();
  assert.ok(assigned !== undefined);
  const { application, options } = assigned.launch;
  const { maxQueuedRequests, requestTimeoutMs, maxRequestBodyBytes, idempotent, routing } = options;
  const limits = { maxQueuedRequests, requestTimeoutMs, maxRequestBodyBytes, idempotent, routing };
  const entries: TableEntry[] = [
    { kind: "route", prefix: "/", application, ingress: assigned.deployment, ingressKind: "predict", openapi: "{}" },
    { kind: "deployment", id: assigned.deployment, availability: "starting", reason: "", ...limits },
  ];
  if (replica?.state !== "ready" || replica.address === undefined) return entries;
  const { id, deployment, version, address, callSecret, maxOngoingRequests } = replica;
  const where = { node: "n" as NodeId, zone: "", weight: 1, address };
  return [...entries, { kind: "replica", id, deployment, version, ...where, callSecret, maxOngoingRequests }];
}

function startWorker(): ChildProcess {
  const config: WorkerConfig = {
    dataDir,
    lifelineSocket: join(dataDir, "run/lifeline.sock"),
    controller: control.address,
    token: undefined,
    nodeHost: "127.0.0.1",
    http: { host: "127.0.0.1", port: 0 },
    hasListened: false,
    proxyCount: 1,
    httpFront: "node",
    trustedProxies: [],
    resources: { cpus: 2, memoryBytes: undefined, gpus: 0, custom: {} },
    labels: {},
    logLevel: "info",
    warmPoolSize: 1,
    inspect: undefined,
  };
  const path = join(dataDir, "worker-config.json");
  writeFileSync(path, JSON.stringify(config));
  const output = openSync(join(dataDir, "logs/worker.log"), "a");
  const child = spawn(process.execPath, [programPath, path], { stdio: ["ignore", output, output] });
  closeSync(output);
  return child;
}

/** Resolves once something the worker or its children said makes it so. */
async function until<T>(find: () => T | undefined | false, what: string): Promise<T> {
  const signal = AbortSignal.timeout(20_000);
  for (;;) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    try {
      await once(changes, "change", { signal });
    } catch (cause) {
      throw new Error(`never came: ${what}\n${logs()}`, { cause });
    }
  }
}

function logs(): string {
  const folder = join(dataDir, "logs");
  return readdirSync(folder)
    .map((name) => `--- ${name}\n${readFileSync(join(folder, name), "utf8").slice(-3_000)}`)
    .join("\n");
}

function kill(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

function ready(isNew: (report: ReplicaReport) => boolean): Promise<ReplicaReport> {
  const find = (): ReplicaReport | false => {
    const newest = report();
    return newest?.state === "ready" && isNew(newest) && newest;
  };
  return until(find, "a ready replica").then((found) => {
    pids.add(found.pid);
    return found;
  });
}

function pidOf(runFile: string): number {
  return (JSON.parse(readFileSync(join(dataDir, "run", runFile), "utf8")) as { pid: number }).pid;
}

async function ask(): Promise<{ readonly n: number; readonly pid: number }> {
  const { httpUrl } = await until(() => node()?.httpUrl !== "" && node(), "a proxy");
  const headers = { "content-type": "application/json" };
  const response = await fetch(httpUrl, { method: "POST", headers, body: JSON.stringify({ n: 1 }) });
  const text = await response.text();
  assert.equal(response.status, 200, `${text}\n${logs()}`);
  return JSON.parse(text) as { n: number; pid: number };
}

test("an assigned replica answers through the proxy, and the table is acknowledged for the whole node", async () => {
  const replica = await ready(() => true);
  await until(() => node()?.tableVersion === tableVersion, "the acknowledgement");
  assert.deepEqual(await ask(), { n: 2, pid: replica.pid });
  const address = said.find(
    (message): message is { kind: "proxyReady"; address: Address } => message.kind === "proxyReady",
  )?.address;
  assert.equal(node()?.httpUrl, `http://127.0.0.1:${address?.port}`);
});

test("the node's metrics have the worker's, the proxy's and the replica's", async () => {
  stream?.send({ kind: "collect", id: 7, what: { kind: "metrics" } });
  const collected = await until(
    () => heard.find((message) => message.kind === "collected" && message.id === 7),
    "the metrics",
  );
  const text = collected.kind === "collected" ? collected.text : "";
  for (const name of ["thornback_replicas{", "thornback_http_requests_total{", "thornback_replica_requests_total{"]) {
    assert.ok(text.includes(name), `${name}\n${text}`);
  }
});

test("a killed daemon takes nothing with it, and the next one goes on with the same processes", async () => {
  const [url, pid] = [node()?.httpUrl, report()?.pid];
  worker.kill("SIGKILL");
  await once(worker, "exit");
  const response = await fetch(url ?? "", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"n":1}',
  });
  assert.deepEqual(await response.json(), { n: 2, pid }, "nobody needs the daemon for a request");
  heard.length = 0;
  worker = startWorker();
  const registered = await until(() => heard.find((message) => message.kind === "register"), "the registration");
  const replicas = registered.kind === "register" ? registered.registration.replicas : [];
  assert.deepEqual(
    replicas.map(({ pid: now, state, restarts }) => ({ now, state, restarts })),
    [{ now: pid, state: "ready", restarts: 0 }],
  );
  await until(() => node()?.httpUrl === url, "the same proxy");
});

test("a killed replica is replaced by the daemon that adopted it", async () => {
  const registered = heard.findLast((message) => message.kind === "register");
  const pid = registered?.kind === "register" ? (registered.registration.replicas[0]?.pid ?? 0) : 0;
  kill(pid);
  const replica = await ready((newest) => newest.pid !== pid);
  assert.equal(replica.restarts, 1);
  assert.equal((await ask()).pid, replica.pid);
});

test("a killed proxy comes back at its address", async () => {
  const url = node()?.httpUrl;
  const run = readdirSync(join(dataDir, "run")).find((name) => name.startsWith("proxy-"));
  kill(pidOf(run ?? ""));
  await until(() => node()?.httpUrl === "", "its end");
  await until(() => node()?.httpUrl === url, "the same address");
  assert.equal((await ask()).n, 2);
});

test("a daemon that is told to stop leaves no process and no run file", async () => {
  const runs = readdirSync(join(dataDir, "run")).filter((name) => name.endsWith(".json"));
  const children = runs.map((name) => pidOf(name));
  assert.equal(children.length, 3);
  worker.kill("SIGTERM");
  const [code] = (await once(worker, "exit")) as [number];
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(join(dataDir, "run")), ["lifeline.sock"]);
  for (const pid of children) assert.ok(!isRunning(pid), `process ${pid} is left`);
});

/** What was adopted belongs to init, which may take its time to collect what has ended. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
