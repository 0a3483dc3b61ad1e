import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { systemClock, systemDefer } from "../../core/clock.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { systemRandom } from "../../core/random.ts";
import type { TableEntry } from "../../core/table.ts";
import { listenControl, type ControlLink } from "../../proto/control/link.ts";
import type { ChildMessage, RunFile } from "../../proto/control/message.ts";
import { tcpNetwork } from "../../proto/tcp-network.ts";
import { serveReplica } from "../../worker/replica/replica-server.ts";
import { echo } from "../fake/proxy-bed.ts";
import { RecordingLog } from "../fake/recording-log.ts";
import { deploymentEntry, replicaEntry, routeEntry, snapshot } from "../fake/table.ts";

const MAIN = join(import.meta.dirname, "../../proxy/main.ts");
const LOOPBACK = { host: "127.0.0.1", port: 0 };
const log = new RecordingLog();
const cleanups: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

const replica = await serveReplica({
  clock: systemClock,
  log,
  network: tcpNetwork,
  defer: systemDefer,
  address: LOOPBACK,
  replicaId: "r1" as ReplicaId,
  callSecret: "secret",
  handler: { ongoing: 0, handle: echo },
});
cleanups.push(() => replica.close());
const ENTRIES: TableEntry[] = [routeEntry("/"), deploymentEntry(), replicaEntry("r1", { address: replica.address })];

/** A proxy's process and the folder it lives in. */
type Started = { readonly child: ChildProcess; readonly logged: (message: string) => Promise<Record<string, unknown>> };

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "thornback-proxy-"));
  mkdirSync(join(folder, "run"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function startProxy(folder: string, more: Partial<RunFile> = {}): Started {
  const run: RunFile = {
    id: "proxy-1",
    role: "proxy",
    pid: 0,
    startTicks: 0,
    controlSocket: join(folder, "run/worker.sock"),
    controlSecret: "control",
    lifelineSocket: "",
    dataDir: folder,
    logLevel: "info",
    listen: LOOPBACK,
    proxy: undefined,
    assigned: undefined,
    ...more,
  };
  const path = join(folder, "run/proxy-1.json");
  writeFileSync(path, JSON.stringify(run), { mode: 0o600 });
  const args = ["--conditions=thornback-source", MAIN, path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => void child.kill("SIGKILL"));
  assert.ok(child.stdout !== null);
  const lines = createInterface(child.stdout);
  const seen: Record<string, unknown>[] = [];
  lines.on("line", (line) => {
    seen.push(JSON.parse(line) as Record<string, unknown>);
    lines.emit("logged");
  });
  const logged = async (message: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const found = seen.find((line) => line["msg"] === message);
      if (found !== undefined) return found;
      await once(lines, "logged");
    }
  };
  return { child, logged };
}

async function urlOf({ logged }: Started): Promise<string> {
  const { address } = (await logged("the proxy listens")) as { address: { host: string; port: number } };
  return `http://${address.host}:${address.port}`;
}

/** A worker's control socket; `next` gives the next message of a kind. */
async function startWorker(folder: string): Promise<{
  readonly next: <K extends ChildMessage["kind"]>(kind: K) => Promise<Extract<ChildMessage, { kind: K }>>;
  readonly send: ControlLink["send"];
}> {
  const messages: ChildMessage[] = [];
  let link: ControlLink | undefined;
  let wake = Promise.withResolvers<void>();
  const server = await listenControl(
    { clock: systemClock, random: systemRandom, log },
    join(folder, "run/worker.sock"),
    (hello, accepted) => {
      assert.deepEqual([hello.id, hello.secret], ["proxy-1", "control"]);
      link = accepted;
      accepted.send({ kind: "welcome" });
      const onMessage = (message: ChildMessage): void => {
        messages.push(message);
        wake.resolve();
        wake = Promise.withResolvers<void>();
      };
      return { onMessage, onClose: () => {} };
    },
  );
  cleanups.push(() => server.close());
  return {
    send: (message) => link?.send(message),
    async next(kind) {
      for (;;) {
        const at = messages.findIndex((message) => message.kind === kind);
        if (at >= 0) return messages.splice(at, 1)[0] as Extract<ChildMessage, { kind: typeof kind }>;
        await wake.promise;
      }
    },
  };
}

test("a proxy serves from the table on disk, with neither worker nor controller", async () => {
  const folder = dataDir();
  writeFileSync(join(folder, "table.json"), JSON.stringify(snapshot(3, ENTRIES)));
  const started = startProxy(folder);
  const url = await urlOf(started);
  assert.equal((await fetch(url, { method: "POST", body: "x" })).status, 200);
  assert.equal((await fetch(`${url}/-/readyz`)).status, 200);
  assert.match(
    await (await fetch(`${url}/-/metrics`)).text(),
    /thornback_routing_table_version\{component="proxy"\} 3/,
  );
});

test("a worker hears where the proxy listens, its tables are acknowledged, and a drain ends it", async () => {
  const folder = dataDir();
  const worker = await startWorker(folder);
  const started = startProxy(folder);
  const { address, reason } = await worker.next("proxy");
  assert.equal(reason, "");
  const url = `http://127.0.0.1:${address?.port}`;
  assert.equal((await fetch(`${url}/-/readyz`)).status, 503);
  worker.send({ kind: "table", update: snapshot(1, ENTRIES) });
  assert.deepEqual(await worker.next("tableApplied"), { kind: "tableApplied", epoch: 1, version: 1 });
  assert.equal((await fetch(url, { headers: { connection: "close" } })).status, 200);
  const metrics = fetch(`${url}/-/metrics`, { headers: { connection: "close" } });
  worker.send({ kind: "nodeMetrics", id: (await worker.next("getNodeMetrics")).id, text: "all\n" });
  assert.equal(await (await metrics).text(), "all\n");
  worker.send({ kind: "getSamples", id: 7 });
  assert.ok((await worker.next("samples")).samples.length > 0);
  const exited = once(started.child, "exit");
  worker.send({ kind: "drain", timeoutMs: 5_000 });
  assert.deepEqual(await exited, [0, null]);
});

test("a table that does not follow from the one before is asked for again, whole", async () => {
  const folder = dataDir();
  const worker = await startWorker(folder);
  startProxy(folder);
  await worker.next("proxy");
  worker.send({ kind: "table", update: { ...snapshot(5, []), kind: "delta", baseVersion: 4 } });
  // The state of a child is said again on every new link.
  await worker.next("proxy");
  worker.send({ kind: "table", update: snapshot(5, ENTRIES) });
  assert.equal((await worker.next("tableApplied")).version, 5);
});

test("a port in use is reported with the port and the flag to change it", async () => {
  const folder = dataDir();
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  cleanups.push(() => void blocker.close());
  const { port } = blocker.address() as { port: number };
  const worker = await startWorker(folder);
  startProxy(folder, { listen: { host: "127.0.0.1", port } });
  const { address, reason } = await worker.next("proxy");
  assert.equal(address, undefined);
  assert.match(reason, new RegExp(`port ${port} .* in use.*--http-port`));
});

test("a proxy ends when its lifeline closes", async () => {
  const folder = dataDir();
  const path = join(folder, "run/lifeline.sock");
  const { promise: held, resolve: hold } = Promise.withResolvers<Socket>();
  const lifeline: Server = createServer(hold).listen(path);
  cleanups.push(() => void lifeline.close());
  const started = startProxy(folder, { lifelineSocket: path });
  await urlOf(started);
  const exited = once(started.child, "exit");
  (await held).destroy();
  assert.deepEqual(await exited, [0, null]);
});
