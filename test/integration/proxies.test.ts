/** Several proxies of one node on one port, and what happens to their port when one of them, or their worker, dies. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { eventually, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { deployment } from "thornback";
class Echo {
  async predict(input) {
    return input;
  }
}
export default deployment(Echo, { numReplicas: 1 }).bind();
`;
const KILLS = 10;

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster(["--proxies", "2"]);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("echo/app.ts", APP)]);
  assert.equal(code, 0, err);
});
after(() => cluster.close());

type Kept = { readonly id: string; readonly pid: number; readonly file: string };

/** The cluster's proxies, from the files that their worker keeps. */
function proxies({ dataDir }: TestCluster): readonly Kept[] {
  const folder = path.join(dataDir, "run");
  const names = readdirSync(folder).filter((name) => /^proxy-.*\.json$/.test(name));
  return names.flatMap((name) => {
    const file = path.join(folder, name);
    try {
      const { id, pid } = JSON.parse(readFileSync(file, "utf8")) as Kept;
      return pid > 0 ? [{ id, pid, file }] : [];
    } catch {
      // It ended between the listing and the look.
      return [];
    }
  });
}

/** Both proxies say in their logs that they listen. */
function whenBothListen(one: TestCluster): Promise<true> {
  const hasSaidSo = ({ id }: Kept): boolean =>
    readFileSync(path.join(one.dataDir, "logs", `${id}.log`), "utf8").includes("the proxy listens");
  return eventually(() => {
    const kept = proxies(one);
    return kept.length === 2 && kept.every(hasSaidSo) ? true : undefined;
  }, 20_000);
}

/** One request on a connection of its own, to its outcome: a status, or an error's code. */
function ask(url: string, target = "/"): Promise<{ readonly outcome: string; readonly body: string }> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json" };
    const method = target === "/" ? "POST" : "GET";
    const call = request(new URL(target, url), { method, headers, agent: false, timeout: 10_000 }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (text: string) => (body += text));
      answer.on("end", () => resolve({ outcome: String(answer.statusCode), body }));
      answer.on("error", (error: NodeJS.ErrnoException) => resolve({ outcome: error.code ?? "", body }));
    });
    call.on("timeout", () => call.destroy(new Error("timeout")));
    call.on("error", (error: NodeJS.ErrnoException) => resolve({ outcome: error.code ?? error.message, body: "" }));
    call.end(method === "POST" ? "{}" : undefined);
  });
}

test("the kernel spreads connections over both, and either one tells the metrics of the whole node", async () => {
  await whenBothListen(cluster);
  const total = async (): Promise<number> => {
    const { body } = await ask(cluster.http, "/-/metrics");
    const line = /^thornback_http_requests_total\{[^}]*application="echo"[^}]*\} (\d+)$/m.exec(body);
    return Number(line?.[1] ?? 0);
  };
  const before = await total();
  for (let one = 0; one < 40; one++) assert.equal((await ask(cluster.http)).outcome, "200");
  for (let one = 0; one < 8; one++) assert.equal(await total(), before + 40);
});

test("killed proxies cost no refused connection, only what was open on them", { timeout: 120_000 }, async () => {
  await whenBothListen(cluster);
  const outcomes = new Map<string, number>();
  let isOver = false;
  const load = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const { outcome } = await ask(cluster.http);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  });
  for (let kill = 0; kill < KILLS; kill++) {
    const victim = proxies(cluster)[kill % 2];
    assert.ok(victim);
    process.kill(victim.pid, "SIGKILL");
    await eventually(() => (proxies(cluster).some(({ pid }) => pid === victim.pid) ? undefined : true));
    await whenBothListen(cluster);
  }
  isOver = true;
  await Promise.all(load);
  console.log(`${String(KILLS)} kills, a connection per request: ${JSON.stringify(Object.fromEntries(outcomes))}`);
  const resets = (outcomes.get("ECONNRESET") ?? 0) + (outcomes.get("EPIPE") ?? 0);
  assert.deepEqual(
    [...outcomes.keys()].filter((outcome) => !["200", "ECONNRESET", "EPIPE"].includes(outcome)),
    [],
  );
  // Eight callers, so at most eight connections were open on whichever was killed.
  assert.ok(resets <= KILLS * 8, `${String(resets)} connections were reset`);
});

test("a second cluster does not share a port that is in use, though the kernel would let it", async () => {
  const { port } = new URL(cluster.http);
  const other = cluster.project.dir;
  const ports = ["--admin-port", "0", "--grpc-port", "0", "--http-port", port];
  const dataDir = path.join(other, "second");
  const { code, err } = await cluster.serve(["start", "--data-dir", dataDir, "--proxies", "2", ...ports]);
  assert.equal(code, 69, err);
  assert.match(err, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`));
});

test("a worker whose proxy's run file was destroyed gets its port back when the lost proxy lets go", async () => {
  const one = await startCluster();
  try {
    const [lost] = proxies(one);
    assert.ok(lost);
    writeFileSync(lost.file, "garbage");
    const { workerPid } = JSON.parse(readFileSync(path.join(one.dataDir, "run/supervisor.json"), "utf8")) as {
      workerPid: number;
    };
    process.kill(workerPid, "SIGKILL");
    const next = await eventually(() => proxies(one).find(({ pid }) => pid !== lost.pid), 20_000);
    // The lost one answers until it believes that no worker knows it.
    await eventually(() => (readdirSync(`/proc`).includes(String(lost.pid)) ? undefined : true), 30_000);
    const answered = await eventually(async () => {
      const { outcome } = await ask(one.http, "/-/readyz");
      return outcome === "200" ? outcome : undefined;
    }, 20_000);
    assert.equal(answered, "200");
    assert.deepEqual(
      proxies(one).map(({ pid }) => pid),
      [next.pid],
    );
  } finally {
    await one.close();
  }
});
