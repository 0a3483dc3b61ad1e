import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "../../../core/clock.ts";
import { seededRandom } from "../../../core/random.ts";
import { isAlive, lifelinePath, readSupervisorFile } from "../../../cli/data-dir.ts";
import { type CliError, EXIT } from "../../../cli/exit-code.ts";
import { LocalCluster } from "../../../cli/local-cluster.ts";
import { clusterOptions } from "../../../cli/settings.ts";

const FAKE = fileURLToPath(new URL("../../fake/process/supervised.ts", import.meta.url));

let dataDir = "";
let clusters: LocalCluster[] = [];

beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "thornback-cluster-"));
  clusters = [];
});

afterEach(async () => {
  for (const cluster of clusters) await cluster.kill();
  rmSync(dataDir, { recursive: true, force: true });
});

function createCluster(overrides: { readonly said?: string[]; readonly clock?: Clock } = {}): LocalCluster {
  const flags = { dataDir, adminPort: "0", grpcPort: "0", httpPort: "0" };
  const deps = {
    clock: overrides.clock ?? systemClock,
    random: seededRandom(1),
    env: process.env,
    files: { controller: FAKE, worker: FAKE },
    say: (text: string) => void overrides.said?.push(text),
  };
  const cluster = new LocalCluster(deps, clusterOptions(flags, {}));
  clusters.push(cluster);
  return cluster;
}

/** A clock on which long waits end at once, so that bounds are tested without waiting for them. */
function hastyClock(longerThanMs: number): Clock {
  return {
    ...systemClock,
    after: (delayMs, callback) => systemClock.after(delayMs >= longerThanMs ? 50 : delayMs, callback),
  };
}

type Story = {
  readonly event: string;
  readonly pid: number;
  readonly admin?: { port: number };
  readonly http?: { port: number };
  readonly hasListened?: boolean;
  readonly message?: unknown;
};

function story(role: string): readonly Story[] {
  const file = path.join(dataDir, `${role}.story`);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Story);
}

function pidOf(role: "controllerPid" | "workerPid"): number {
  return readSupervisorFile(dataDir)?.[role] ?? 0;
}

test("a started cluster tells its worker where the controller is, and writes down who it is", async () => {
  const cluster = createCluster();
  await cluster.start();
  const admin = await cluster.adminReady;
  const http = await cluster.httpReady;
  const file = readSupervisorFile(dataDir);
  assert.equal(file?.pid, process.pid);
  assert.deepEqual(file?.admin, admin);
  assert.deepEqual(file?.http, http);
  // A wildcard host is no address to connect to.
  const heard = story("worker").find((one) => one.event === "heard");
  assert.deepEqual(heard?.message, { kind: "controllerAddress", address: { host: "127.0.0.1", port: 7 } });
  assert.equal(statSync(lifelinePath(dataDir)).mode & 0o777, 0o600);
  assert.equal(statSync(path.join(dataDir, "run", "worker.json")).mode & 0o777, 0o600);
});

test("a stopped cluster asks its processes to end and leaves no process and no run file", async () => {
  const cluster = createCluster();
  await cluster.start();
  await cluster.httpReady;
  const pids = [pidOf("controllerPid"), pidOf("workerPid")];
  await cluster.stop();
  assert.deepEqual(await cluster.ended, { kind: "stopped" });
  assert.deepEqual(pids.map(isAlive), [false, false]);
  assert.equal(story("worker").at(-1)?.event, "asked to end");
  assert.equal(existsSync(path.join(dataDir, "run")), false);
});

test("a killed controller comes back on the ports it had", async () => {
  const said: string[] = [];
  const cluster = createCluster({ said });
  await cluster.start();
  const admin = await cluster.adminReady;
  await cluster.httpReady;
  const killed = pidOf("controllerPid");
  process.kill(killed, "SIGKILL");
  while (story("controller").filter((one) => one.event === "started").length < 2) await nextTurn();
  const [first, second] = story("controller").filter((one) => one.event === "started");
  assert.equal(first?.admin?.port, 0);
  assert.equal(second?.admin?.port, admin.port);
  assert.match(said.join("\n"), /the controller was killed by SIGKILL and is started again/);
});

test("a worker that is started again is told the port its proxies had, and that it was theirs", async () => {
  const cluster = createCluster();
  await cluster.start();
  const { port } = await cluster.httpReady;
  process.kill(pidOf("workerPid"), "SIGKILL");
  while (story("worker").filter((one) => one.event === "started").length < 2) await nextTurn();
  const [first, second] = story("worker").filter((one) => one.event === "started");
  assert.deepEqual([first?.http?.port, first?.hasListened], [0, false]);
  assert.deepEqual([second?.http?.port, second?.hasListened], [port, true]);
});

test("a process that cannot work ends the whole cluster with its reason, and a taken port with 69", async () => {
  writeFileSync(path.join(dataDir, "worker.behaviour"), "failed");
  const cluster = createCluster();
  await cluster.start();
  const end = await cluster.ended;
  assert.equal(end.kind, "failed");
  assert.ok(end.kind === "failed" && /EADDRINUSE/.test(end.error.message));
  assert.equal(end.error.exitCode, EXIT.unavailable);
  await assert.rejects(cluster.httpReady, end.error);
});

test("a process that dies whenever it is started is given up, and its log is named", async () => {
  writeFileSync(path.join(dataDir, "controller.behaviour"), "exit");
  const cluster = createCluster();
  await cluster.start();
  await assert.rejects(cluster.adminReady, (error: CliError) => {
    assert.match(error.message, /the controller exited with code 3 whenever it was started/);
    assert.match(error.next, /controller\.log/);
    return true;
  });
  await cluster.ended;
});

test("a process that ignores every request to end is killed", async () => {
  writeFileSync(path.join(dataDir, "worker.behaviour"), "deaf");
  const cluster = createCluster({ clock: hastyClock(2_000) });
  await cluster.start();
  await cluster.httpReady;
  const pid = pidOf("workerPid");
  await cluster.stop();
  assert.equal(isAlive(pid), false);
});

test("a second interrupt ends everything without waiting for drains", async () => {
  writeFileSync(path.join(dataDir, "worker.behaviour"), "deaf");
  const cluster = createCluster();
  await cluster.start();
  await cluster.httpReady;
  const pid = pidOf("workerPid");
  const stopping = cluster.stop();
  await cluster.kill();
  await stopping;
  assert.equal(isAlive(pid), false);
});

test("a data directory that a living cluster uses is refused, naming its process", async () => {
  const cluster = createCluster();
  await cluster.start();
  await cluster.httpReady;
  const refused = createCluster();
  await assert.rejects(refused.start(), (error: CliError) => {
    assert.equal(error.exitCode, EXIT.refused);
    assert.match(error.message, new RegExp(`in use by the cluster of process ${String(process.pid)}`));
    return true;
  });
  await refused.stop();
  // The refused one must not have taken the living one's files away.
  assert.equal(existsSync(lifelinePath(dataDir)), true);
});

test("of several that start on one data directory at once, over what a killed one left, one wins and loses no file", async () => {
  const stale = lifelinePath(dataDir);
  mkdirSync(path.dirname(stale), { recursive: true });
  writeFileSync(stale, "");
  const rivals = [createCluster(), createCluster(), createCluster()];
  const starts = await Promise.allSettled(rivals.map((rival) => rival.start()));
  const winners = rivals.filter((_, i) => starts[i]?.status === "fulfilled");
  assert.equal(winners.length, 1);
  for (const start of starts) {
    if (start.status === "rejected") assert.equal((start.reason as CliError).exitCode, EXIT.refused);
  }
  await Promise.all(rivals.map((rival) => (winners.includes(rival) ? rival.httpReady : rival.stop())));
  assert.equal(existsSync(stale), true);
  assert.equal(readSupervisorFile(dataDir)?.pid, process.pid);
});

test("a shutdown that a process asks for ends the cluster as a stop does", async () => {
  const cluster = createCluster();
  await cluster.start();
  await cluster.httpReady;
  process.kill(pidOf("controllerPid"), "SIGUSR2");
  assert.deepEqual(await cluster.ended, { kind: "stopped" });
});

test("a data directory with a long path keeps its sockets in a private folder and removes it", async () => {
  const parent = dataDir;
  dataDir = path.join(parent, "a".repeat(90));
  const cluster = createCluster();
  await cluster.start();
  await cluster.httpReady;
  const folder = path.dirname(lifelinePath(dataDir));
  assert.equal(folder.startsWith(dataDir), false);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  await cluster.stop();
  assert.equal(existsSync(folder), false);
  assert.deepEqual(readdirSync(dataDir).includes("run"), false);
  dataDir = parent;
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
