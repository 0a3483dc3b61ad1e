import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { BlobCollector } from "../../../../controller/act/blob-collector.ts";
import { Controller } from "../../../../controller/controller.ts";
import { serveAdmin } from "../../../../controller/service/admin-http.ts";
import { FileBlobStore } from "../../../../controller/state/file-blob-store.ts";
import { systemClock } from "../../../../core/clock.ts";
import type { Digest } from "../../../../core/ids.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { ApplicationSpec } from "../../../../core/spec.ts";
import { applicationSpec } from "../../../fake/cluster-fixture.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";
import { ObedientWorker } from "../../../fake/obedient-worker.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const V1 = "0123456789ab";
const closers: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

const NOTHING_PENDING = { resources: {}, pending: [] };

async function world(options: { token?: string; gpus?: string[] } = {}) {
  const dir = await mkdtemp(join(tmpdir(), "thornback-admin-"));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const log = new RecordingLog();
  const blobs = new FileBlobStore({ dir });
  const controller = await Controller.start({
    clock: systemClock,
    random: seededRandom(1),
    log,
    metrics: createMetrics(),
    store: new MemoryStore(),
    blobs,
  });
  closers.push(() => controller.close());
  const worker = new ObedientWorker("n1", { resources: { gpus: options.gpus ?? [] } });
  worker.connect(controller.service);
  const shutdowns: string[] = [];
  const collector = new BlobCollector({ clock: systemClock, log, blobs });
  const server = await serveAdmin(
    {
      log,
      controller,
      blobs,
      collector,
      self: "controller-1",
      ownMetrics: () => "",
      guard: { host: "127.0.0.1", token: options.token },
      onShutdown: () => shutdowns.push("asked"),
    },
    { host: "127.0.0.1", port: 0 },
  );
  closers.push(() => server.close());
  const url = `http://127.0.0.1:${server.address.port}/api/v1/`;
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const raw = body instanceof Uint8Array || typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: raw as BodyInit }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : text,
    };
  };
  return { dir, controller, worker, server, shutdowns, call };
}
type World = Awaited<ReturnType<typeof world>>;

const digestOf = (bytes: Uint8Array): Digest => createHash("sha256").update(bytes).digest("hex") as Digest;

async function upload({ call }: World, text: string): Promise<Digest> {
  const bytes = Buffer.from(text);
  assert.equal((await call("PUT", `bundles/${digestOf(bytes)}`, bytes)).status, 204);
  return digestOf(bytes);
}

async function uploadBundle(on: World): Promise<Digest> {
  const code = await upload(on, "export default 1;");
  const files = [{ path: "app.mjs", digest: code, bytes: 17 }];
  return upload(on, JSON.stringify({ schema: 1, entry: "app.mjs", projectDir: "/app", files }));
}

const specWith = (
  bundle: Digest,
  given: Parameters<typeof applicationSpec>[1] = { D: { version: V1 } },
): ApplicationSpec => applicationSpec("app", given, { bundle });

/** Asks until the application is as wanted; each answer is an event of the loop, so this ends by itself. */
async function until(on: World, isIt: (status: unknown) => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(5_000);
  for (;;) {
    deadline.throwIfAborted();
    if (isIt((await on.call("GET", "applications/app")).body)) return;
  }
}
const has = (status: string) => (view: unknown) => (view as { status?: unknown }).status === status;

describe("the admin API over HTTP", () => {
  it("takes a bundle and a deploy, and shows it running in the contract's shape", async () => {
    const on = await world();
    const bundle = await uploadBundle(on);
    assert.equal((await on.call("HEAD", `bundles/${bundle}`)).status, 200);
    const put = await on.call("PUT", "applications/app", { spec: specWith(bundle), secrets: {} });
    const { version, ...plan } = put.body as { version: string };
    assert.deepEqual(plan, {
      application: "app",
      changed: [],
      reconfigured: [],
      unchanged: [],
      added: ["D"],
      removed: [],
      hasOtherSecrets: false,
      hasOtherAccess: false,
    });
    await until(on, has("running"));
    const { body } = await on.call("GET", "status");
    const { applications, nodes, controller } = body as { applications: never[]; nodes: never[]; controller: unknown };
    assert.equal((applications[0] as unknown as { version: string }).version, version);
    const { epoch } = controller as { epoch: unknown };
    assert.ok(Number.isSafeInteger(epoch));
    assert.deepEqual(controller, { self: "controller-1", epoch, leader: "controller-1" });
    assert.deepEqual((body as { store?: unknown }).store, { problems: [] });
    const [application] = applications as { deployments: { replicas: object[] }[] }[];
    const [replica] = application?.deployments[0]?.replicas ?? [];
    for (const field of ["id", "nodeId", "pid", "state", "version", "ongoing", "provider"])
      assert.ok(field in (replica ?? {}), field);
    assert.deepEqual((nodes[0] as unknown as { resources: { allocated: object } }).resources.allocated, {
      cpus: 0.1,
      memoryBytes: 0,
      gpus: 0,
    });
    const again = await on.call("PUT", "applications/app", { spec: specWith(bundle), secrets: {} });
    assert.deepEqual((again.body as { unchanged: unknown }).unchanged, ["D"]);
    assert.equal((await on.call("DELETE", "applications/app")).status, 202);
    await until(on, (view) => (view as { code?: unknown }).code === "deployment_not_found");
  });

  it("lists every problem of a specification, and names what is not uploaded", async () => {
    const on = await world();
    const bad = await on.call("PUT", "applications/app", {
      spec: { ...specWith("x" as Digest), routePrefix: "no", ingress: "None" },
    });
    assert.equal(bad.status, 400);
    assert.ok(((bad.body as { problems: unknown[] }).problems ?? []).length >= 3);
    const missing = await on.call("PUT", "applications/app", { spec: specWith("ab".repeat(32) as Digest) });
    assert.match(String((missing.body as { detail: unknown }).detail), /is not uploaded/);
    const partial = await upload(
      on,
      JSON.stringify({
        schema: 1,
        entry: "app.mjs",
        projectDir: "/app",
        files: [{ path: "app.mjs", digest: "cd".repeat(32), bytes: 1 }],
      }),
    );
    const incomplete = await on.call("PUT", "applications/app", { spec: specWith(partial) });
    assert.match(String((incomplete.body as { detail: unknown }).detail), /file app\.mjs of bundle/);
  });

  it("names the deployment and the secret that has no value, and keeps no secret that nobody reads", async () => {
    const on = await world();
    const bundle = await uploadBundle(on);
    const spec = specWith(bundle, { D: { version: V1, options: { env: { KEY: { secret: "KEY" } } } } });
    const missing = await on.call("PUT", "applications/app", { spec, secrets: {} });
    assert.equal(missing.status, 400);
    assert.match(
      String((missing.body as { detail: unknown }).detail),
      /deployments\.D\.env\.KEY: secret KEY has no value/,
    );
    assert.equal((await on.call("PUT", "applications/app", { spec, secrets: { KEY: "k", OTHER: "o" } })).status, 200);
    const record = on.controller.snapshot().applications.values().next().value;
    assert.deepEqual(record?.releases[0]?.secrets, { KEY: "k" });
  });

  it("scales, rolls back, drains and undrains, and refuses what cannot be", async () => {
    const on = await world();
    const bundle = await uploadBundle(on);
    const ask = async (path: string, body?: unknown): Promise<number> => (await on.call("POST", path, body)).status;
    await on.call("PUT", "applications/app", { spec: specWith(bundle) });
    await until(on, has("running"));
    const scale = "applications/app/deployments/D/scale";
    assert.deepEqual((await on.call("POST", scale, { replicas: 2 })).body, {
      deployment: "app/D",
      replicas: 2,
      isAutoscaled: false,
    });
    assert.equal(await ask(scale, { replicas: "two" }), 400);
    assert.equal(await ask(scale), 400);
    assert.equal(await ask("applications/app/deployments/None/scale", { replicas: 1 }), 404);
    assert.equal(await ask("applications/app/rollback"), 404);
    assert.equal(await ask("applications/app/rollback", { version: 7 }), 400);
    await on.call("PUT", "applications/app", { spec: specWith(bundle, { D: { version: "abcdef012345" } }) });
    await until(on, has("running"));
    const back = (await on.call("POST", "applications/app/rollback")).body as { changed: unknown };
    assert.deepEqual(back.changed, ["D"]);
    const { versions } = (await on.call("GET", "applications/app")).body as { versions: { isCurrent: boolean }[] };
    assert.deepEqual(
      versions.map(({ isCurrent }) => isCurrent),
      [true, false],
    );
    assert.equal(await ask("nodes/n9/drain"), 404);
    assert.equal(await ask("nodes/n1/drain", { deadlineMs: "soon" }), 400);
    const drain = (await on.call("POST", "nodes/n1/drain", { deadlineMs: 60_000 })).body as { deadlineAt: string };
    assert.ok(Date.parse(drain.deadlineAt) > Date.now());
    assert.equal(await ask("nodes/n1/undrain"), 202);
    // What the draining node had no room for finds it again with the next turn of the loop.
    const demand = async (): Promise<unknown> => (await on.call("GET", "demand")).body;
    for (let look = 0; look < 1_000 && !isDeepStrictEqual(await demand(), NOTHING_PENDING); look++);
    assert.deepEqual(await demand(), NOTHING_PENDING);
    await on.call("DELETE", "applications/app");
    assert.ok([404, 412].includes(await ask(scale, { replicas: 1 })));
  });

  it("explains what a pending replica lacks, node by node", async () => {
    const on = await world();
    const spec = specWith(await uploadBundle(on), { D: { version: V1, resources: { gpus: 1 } } });
    await on.call("PUT", "applications/app", { spec });
    await until(on, (view) => /pending/.test(String((view as { reason?: unknown }).reason)));
    const { body } = await on.call("GET", "applications/app/deployments/D/explain");
    const { pending, decisions } = body as { pending: { nodes: unknown[] }[]; decisions: { action: string }[] };
    assert.deepEqual(pending[0]?.nodes, [{ node: "n1", reason: "needs 1 gpus, the node has none" }]);
    assert.deepEqual(
      decisions.map(({ action }) => action),
      ["setTarget", "create", "pend"],
    );
    assert.equal((await on.call("GET", "applications/app/deployments/None/explain")).status, 404);
  });

  it("refuses bytes that are not those of the digest, and leaves nothing behind", async () => {
    const on = await world();
    const answer = await on.call("PUT", `bundles/${"ab".repeat(32)}`, Buffer.from("other"));
    assert.equal(answer.status, 400);
    assert.deepEqual(await readdir(on.dir), []);
    assert.equal((await on.call("PUT", "bundles/..%2f..%2fx", Buffer.from("x"))).status, 400);
    assert.equal((await on.call("HEAD", `bundles/${"ab".repeat(32)}`)).status, 404);
  });

  it("answers unknown paths, wrong methods, bodies and queries with problems", async () => {
    const on = await world();
    assert.equal((await on.call("GET", "nowhere")).status, 404);
    const wrong = await on.call("POST", "status");
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get("allow"), "GET");
    assert.match(wrong.headers.get("content-type") ?? "", /problem\+json/);
    assert.equal((await on.call("PUT", "applications/app", "{")).status, 400);
    assert.equal((await on.call("GET", "logs?lines=0")).status, 400);
    assert.equal((await on.call("GET", "openapi.json")).status, 200);
    assert.equal((await on.call("GET", "applications/%ff")).status, 400);
  });

  it("gathers logs and metrics from the nodes", async () => {
    const on = await world();
    const logs = await on.call("GET", "logs?deployment=app/D&lines=5");
    assert.deepEqual(logs.body, { lines: [{ msg: "logs of n1" }] });
    assert.match(String((await on.call("GET", "metrics")).body), /node="n1"/);
    assert.deepEqual(
      ((await on.call("GET", "nodes")).body as { nodes: { id: string }[] }).nodes.map(({ id }) => id),
      ["n1"],
    );
  });

  it("lets nothing pass without the token, whatever the method and path", async () => {
    const on = await world({ token: "t" });
    for (const [method, path] of [
      ["GET", "status"],
      ["PUT", "applications/app"],
      ["DELETE", "applications/app"],
      ["POST", "shutdown"],
      ["GET", "nowhere"],
    ] as const) {
      assert.equal((await on.call(method, path)).status, 401, `${method} ${path}`);
    }
    assert.equal((await on.call("GET", "status", undefined, { authorization: "Bearer t" })).status, 200);
    assert.deepEqual(on.shutdowns, []);
  });

  it("tells workers and supervisor to shut down", async () => {
    const on = await world();
    assert.equal((await on.call("POST", "shutdown")).status, 202);
    assert.deepEqual(on.shutdowns, ["asked"]);
    assert.ok(on.worker.messages.some(({ kind }) => kind === "shutdown"));
  });

  it("refuses a request by a name that is not ours, one with too many headers, and one whose URL is none", async () => {
    const on = await world();
    const { port } = on.server.address;
    const ask = (headers: Record<string, string>, path = "/api/v1/status"): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request({ port, host: "127.0.0.1", path, headers }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        asked.on("error", reject).end();
      });
    assert.equal(await ask({ host: "evil.example" }), 421);
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, "1"]));
    assert.equal(await ask(many), 431);
    assert.equal(await ask({}, "//"), 400);
  });
});
