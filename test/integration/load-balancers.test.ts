/**
 * The configurations of docs/deploy/ as they stand, but for their addresses, with the programs they are for: both come
 * with Debian (nginx-light, haproxy). Where one is not installed its tests are skipped.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, freePort, startCluster, type TestCluster } from "./cluster.ts";

const DOCS = path.join(import.meta.dirname, "../../docs/deploy");
const APP = `
import { deployment } from "thornback";

const waiting = new Map();

class Everything {
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/release") waiting.get(search)();
    if (pathname === "/events") return new Response(events(search), { headers: { "content-type": "text/event-stream" } });
    const bytes = (await request.arrayBuffer()).byteLength;
    return Response.json({ bytes, headers: Object.fromEntries(request.headers) });
  }
  async websocket(socket) {
    for await (const message of socket) await socket.send(message);
  }
}

function events(name) {
  return new ReadableStream({
    async start(controller) {
      const released = new Promise((resolve) => waiting.set(name, resolve));
      controller.enqueue(new TextEncoder().encode("data: 1\\n\\n"));
      await released;
      controller.enqueue(new TextEncoder().encode("data: 2\\n\\n"));
      controller.close();
    },
  });
}
export default deployment(Everything, { numReplicas: 1 }).bind();
`;

/** A program, and how it is started with the documented configuration. */
type Balancer = {
  readonly name: string;
  readonly packageName: string;
  /** Replaces the port that clients dial; returns the whole configuration. */
  readonly configure: (text: string, port: number, folder: string) => string;
  readonly file: string;
  readonly args: (configFile: string, folder: string) => readonly string[];
};

const NGINX: Balancer = {
  name: "nginx",
  packageName: "nginx-light",
  file: "nginx.conf",
  configure(text, port, folder) {
    const own = swap(text, "listen 80;", `listen 127.0.0.1:${String(port)};`);
    writeFileSync(path.join(folder, "thornback.conf"), own);
    const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const paths = kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
    return `events {} http { access_log off; ${paths} include ${folder}/thornback.conf; }`;
  },
  args(configFile, folder) {
    const user = process.getuid?.() === 0 ? "user root; " : "";
    const own = `${user}daemon off; pid ${folder}/nginx.pid; error_log stderr;`;
    return ["-p", folder, "-c", configFile, "-e", "stderr", "-g", own];
  },
};

const HAPROXY: Balancer = {
  name: "haproxy",
  packageName: "haproxy",
  file: "haproxy.cfg",
  configure: (text, port) => swap(text, "bind :80\n", `bind 127.0.0.1:${String(port)}\n`),
  args: (configFile) => ["-db", "-f", configFile],
};

/** What is documented must still be there to be replaced. */
function swap(text: string, documented: string, here: string): string {
  assert.equal(text.split(documented).length, 2, `${documented} is there once`);
  return text.replace(documented, here);
}

/** What the balancer says of a client must be believed, or nothing would show that it says it. */
const TRUST = ["--trusted-proxies", "127.0.0.1"];

let head: TestCluster;
before(async () => {
  if (![NGINX, HAPROXY].some(isInstalled)) return;
  head = await startCluster(["--resources", "cpus=4", ...TRUST]);
  const { code, err } = await head.serve(["deploy", head.project.write("everything/app.ts", APP)]);
  assert.equal(code, 0, err);
});
after(async () => {
  await (head as TestCluster | undefined)?.close();
});

function isInstalled({ name }: Balancer): boolean {
  try {
    execFileSync(name, ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A node of the head's cluster that has a proxy and, because it offers no CPU, never a replica. */
async function joinNode(): Promise<TestCluster> {
  const node = await startCluster(["--join", String(head.grpc), "--resources", "cpus=0", ...TRUST]);
  await eventually(async () => ((await isReady(node.http)) ? true : undefined));
  return node;
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/-/readyz`).catch(() => undefined))?.status === 200;
}

/** Starts the program in front of two proxies and resolves with its URL once a request passes. */
async function startBalancer(
  balancer: Balancer,
  nodes: readonly [TestCluster, TestCluster],
): Promise<{ url: string; close(): Promise<void> }> {
  const folder = path.join(head.project.dir, balancer.name);
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  let text = readFileSync(path.join(DOCS, balancer.file), "utf8");
  for (const [at, node] of nodes.entries()) text = swap(text, `10.0.0.${String(at + 1)}:8000`, new URL(node.http).host);
  const configFile = path.join(folder, "main.conf");
  writeFileSync(configFile, balancer.configure(text, port, folder));
  const child = spawn(balancer.name, balancer.args(configFile, folder), { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const url = `http://127.0.0.1:${String(port)}`;
  await eventually(async () => {
    assert.equal(child.exitCode, null, said);
    return (await fetch(url).catch(() => undefined))?.ok === true ? true : undefined;
  });
  return { url, close: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}

/** Ports at this end of connections, also closed ones that the kernel remembers, to that port. */
function connectionsTo(url: string): ReadonlySet<string> {
  const port = hexPort(url);
  const found = readFileSync("/proc/net/tcp", "utf8").matchAll(/: [0-9A-F]{8}:(\w{4}) [0-9A-F]{8}:(\w{4}) /g);
  return new Set([...found].filter(([, , remote]) => remote === port).map(([, local = ""]) => local));
}

function hexPort(url: string): string {
  return Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
}

/** A request on the agent's connections, with its answer's head; the body is the caller's. */
function open(url: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, resolve).on("error", reject).end();
  });
}

/** Echoes one message, or says with which status the upgrade was answered. */
async function echoed(url: string): Promise<string> {
  const upgraded = await new Promise<string>((resolve, reject) => {
    const headers = {
      ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const call = request(url, { headers, agent: false });
    call.on("upgrade", (_answer, socket) => (socket.destroy(), resolve("101")));
    call.on("response", (answer) => (answer.destroy(), resolve(String(answer.statusCode))));
    call.on("error", reject).end();
  });
  if (upgraded !== "101") return upgraded;
  const socket = new WebSocket(url.replace("http:", "ws:"));
  try {
    return await new Promise((resolve, reject) => {
      socket.addEventListener("open", () => socket.send("hello"));
      socket.addEventListener("message", ({ data }) => resolve(String(data)));
      socket.addEventListener("error", () => reject(new Error("the WebSocket failed")));
    });
  } finally {
    socket.close();
  }
}

for (const balancer of [NGINX, HAPROXY]) {
  const skip = isInstalled(balancer)
    ? false
    : `${balancer.name} is not installed: apt-get install ${balancer.packageName}`;
  describe(`${balancer.name} in front of two proxies`, { skip, timeout: 120_000 }, () => {
    let node: TestCluster;
    let front: Awaited<ReturnType<typeof startBalancer>>;
    before(async () => {
      node = await joinNode();
      front = await startBalancer(balancer, [head, node]);
    });
    after(async () => {
      await (front as typeof front | undefined)?.close();
      await (node as typeof node | undefined)?.close();
    });

    test("says who asked, whatever the client wrote itself", async () => {
      const answer = await fetch(front.url, {
        headers: { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "gopher", forwarded: "for=6.6.6.6" },
      });
      const { headers } = (await answer.json()) as { headers: Record<string, string> };
      assert.equal(headers["x-forwarded-proto"], "http");
      assert.equal(headers["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
      assert.doesNotMatch(headers["forwarded"] ?? "", /6\.6\.6\.6/);
    });

    test("passes bodies of a megabyte", async () => {
      const answer = await fetch(front.url, { method: "POST", body: new Uint8Array(1_048_576) });
      assert.equal(((await answer.json()) as { bytes: number }).bytes, 1_048_576);
    });

    test("keeps the proxies' own paths to the inside", async () => {
      for (const own of ["/-/metrics", "/-/readyz"]) assert.equal((await fetch(front.url + own)).status, 404);
    });

    test("uses its connections to the proxies again", async () => {
      const known = new Set([head, node].flatMap(({ http }) => [...connectionsTo(http)]));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let one = 0; one < 40; one++) {
        const answer = await open(front.url, agent);
        await answer.toArray();
      }
      const opened = [head, node].flatMap(({ http }) => [...connectionsTo(http)]).filter((one) => !known.has(one));
      agent.destroy();
      // Each of its threads keeps its own, and health is asked on others; one per request would be 40.
      assert.ok(opened.length < 20, `${String(opened.length)} connections for 40 requests`);
    });

    test("passes events on as they are produced", async () => {
      const agent = new Agent({ keepAlive: false });
      const answer = await open(`${front.url}/events?${balancer.name}`, agent);
      assert.equal(answer.headers["content-type"], "text/event-stream");
      let text = "";
      // The second is only produced once the first has been read here.
      for await (const chunk of answer) {
        const isFirst = text === "";
        text += String(chunk);
        if (isFirst) assert.equal(text, "data: 1\n\n");
        if (isFirst) await fetch(`${front.url}/release?${balancer.name}`);
      }
      assert.equal(text, "data: 1\n\ndata: 2\n\n");
    });

    test("passes WebSockets on", async (t) => {
      const direct = await echoed(head.http);
      if (direct === "hello") assert.equal(await echoed(front.url), "hello");
      else t.skip(`this build answers an upgrade with ${direct}`);
    });

    test("loses no request when a node is taken out", async () => {
      const headers = { "content-type": "application/json" };
      const load = startLoad({
        ...{ url: front.url, method: "POST", headers, body: '{"a":1}', ratePerSecond: 200, timeoutMs: 10_000 },
      });
      await eventually(() => (load.sent > 200 ? true : undefined));
      await node.close();
      const { sent } = load;
      await eventually(() => (load.sent > sent + 200 ? true : undefined));
      const { failures } = await load.stop();
      assert.deepEqual(failures, {});
      node = undefined as never;
    });
  });
}
