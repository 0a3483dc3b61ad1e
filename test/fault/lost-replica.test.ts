/**
 * Kills one replica of three, or one proxy of two, with kill -9: under a load of requests, and in the middle of event
 * streams and WebSockets. KILLS=20 kills so often under load; CI does twice.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { after, before, describe, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import type { Ending } from "../../load/load-report.ts";
import { eventually, startCluster, type TestCluster } from "../integration/cluster.ts";
import { proxyPids, whenReady } from "../integration/cluster-processes.ts";

const KILLS = Number(process.env["KILLS"] ?? 2);
const RATE_PER_SECOND = 150;
const SLOTS = 16;
/** What a busy machine may take to tell a client of a lost connection. */
const AT_ONCE_MS = 1_000;
const STREAM_COUNT = 12;
/** Of a test that waits for what a server may never send. */
const PATIENCE = { timeout: 60_000 };

/** GET of `/` is idempotent, POST is not; each takes 20 ms. `/events` and WebSockets tell their replica's pid first. */
const APP = `
import { deployment, type ServerWebSocket } from "thornback";

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class Model {
  async fetch(request: Request): Promise<Response> {
    if (!request.url.endsWith("/events")) {
      await wait(20);
      return Response.json(process.pid);
    }
    const events = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; ; at++) {
        yield Buffer.from("data: " + (at === 0 ? process.pid : "tick") + "\\n\\n");
        await wait(20);
      }
    };
    return new Response(ReadableStream.from(events()), { headers: { "content-type": "text/event-stream" } });
  }

  async websocket(socket: ServerWebSocket): Promise<void> {
    await socket.send(String(process.pid));
    for await (const message of socket) await socket.send(message);
  }
}
export default deployment(Model, { numReplicas: 3, maxOngoingRequests: ${SLOTS} }).bind();
`;

async function start(flags: readonly string[]): Promise<TestCluster> {
  const cluster = await startCluster(flags);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("model/app.ts", APP)]);
  assert.equal(code, 0, err);
  return cluster;
}

/** An event stream that was opened on a connection of its own and has told its replica's pid. */
type OpenStream = {
  readonly pid: number;
  readonly answer: IncomingMessage;
  /** All that came so far. */
  text(): string;
  /** When the first bytes that match came, on `performance`'s clock. */
  readonly seen: (pattern: RegExp) => Promise<number>;
  close(): void;
};

async function openStream(url: string): Promise<OpenStream> {
  const sent = request(`${url}/events`, { agent: false });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
  answer.on("error", () => {});
  const seen = async (pattern: RegExp): Promise<number> => {
    while (!pattern.test(text)) await once(answer, "data");
    return performance.now();
  };
  await seen(/^data: \d+\n\n/);
  const pid = Number(/^data: (\d+)\n/.exec(text)?.[1]);
  return { pid, answer, text: () => text, seen, close: () => void sent.destroy() };
}

/** Fails unless the stream goes on. */
async function assertGoesOn(stream: OpenStream): Promise<void> {
  const length = stream.text().length;
  await eventually(() => (stream.text().length > length + 60 ? true : undefined));
  assert.doesNotMatch(stream.text(), /event: error/);
}

for (const front of ["llhttp", "node"]) {
  describe(`replicas killed behind the ${front} front`, () => {
    let cluster: TestCluster;
    before(async () => {
      cluster = await start(["--http-front", front]);
    });
    after(() => cluster.close());

    const whole = () => whenReady(String(cluster.admin), 3);

    /** Kills a replica again and again under a load, and tells when. */
    async function killUnderLoad(method: "GET" | "POST"): Promise<{ endings: Ending[]; killedAt: number[] }> {
      const endings: Ending[] = [];
      const killedAt: number[] = [];
      const onEnding = (ending: Ending): void => void endings.push(ending);
      const options = { url: cluster.http, method, ratePerSecond: RATE_PER_SECOND, timeoutMs: 10_000 };
      const load = startLoad({ ...options, onEnding });
      const another = (count: number): Promise<true> => {
        const { sent } = load;
        return eventually(() => (load.sent >= sent + count ? true : undefined));
      };
      try {
        for (let kill = 0; kill < KILLS; kill++) {
          const victim = (await whole())[kill % 3];
          await another(RATE_PER_SECOND);
          const pid = victim?.pid ?? 0;
          process.kill(pid, "SIGKILL");
          killedAt.push(performance.now());
          await whenReady(String(cluster.admin), 3, [pid]);
          await another(RATE_PER_SECOND);
        }
      } finally {
        const { outcomes, latency } = await load.stop();
        console.log(`${String(KILLS)} kills, ${method}: ${JSON.stringify({ outcomes, p99Ms: latency.p99Ms })}`);
      }
      return { endings, killedAt };
    }

    test("they cost an idempotent request nothing", async () => {
      const { endings } = await killUnderLoad("GET");
      assert.deepEqual(
        endings.filter(({ outcome }) => outcome !== "200"),
        [],
      );
    });

    test("they cost others only what was ongoing there, each answered 502 at once", async () => {
      const { endings, killedAt } = await killUnderLoad("POST");
      const failed = endings.filter(({ outcome }) => outcome !== "200");
      for (const { outcome, dueAt, endedAt } of failed) {
        assert.equal(outcome, "502");
        const at = killedAt.findLast((one) => one <= endedAt) ?? Number.NaN;
        assert.ok(
          dueAt <= at + AT_ONCE_MS && endedAt <= at + AT_ONCE_MS,
          `due ${dueAt - at}, ended ${endedAt - at} ms`,
        );
      }
      assert.ok(failed.length <= KILLS * SLOTS, `${failed.length} failed`);
    });

    test("event streams there are told within 100 ms and break off; the others go on", PATIENCE, async () => {
      await whole();
      const streams = await Promise.all(Array.from({ length: STREAM_COUNT }, () => openStream(cluster.http)));
      const victim = streams[0]?.pid ?? 0;
      const [lost, kept] = [streams.filter(({ pid }) => pid === victim), streams.filter(({ pid }) => pid !== victim)];
      assert.ok(kept.length > 0);
      const ends = lost.map(({ answer }) => assert.rejects(once(answer, "end"), /aborted|ECONNRESET/));
      const told = Promise.all(lost.map(({ seen }) => seen(/event: error\ndata: \{.*"code":"replica_lost".*\}\n\n$/)));
      const killedAt = performance.now();
      process.kill(victim, "SIGKILL");
      const latest = Math.max(...(await told)) - killedAt;
      console.log(`${lost.length} streams were told ${latest.toFixed(1)} ms after the kill`);
      await Promise.all(ends);
      for (const stream of kept) await assertGoesOn(stream);
      for (const { close } of streams) close();
    });

    test("WebSockets there close with 1011; the others go on", PATIENCE, async () => {
      await whole();
      const sockets = await Promise.all(
        Array.from({ length: STREAM_COUNT }, async () => {
          const socket = new WebSocket(cluster.http.replace("http", "ws"));
          const [{ data }] = (await once(socket, "message")) as [MessageEvent<string>];
          return { socket, pid: Number(data) };
        }),
      );
      const victim = sockets[0]?.pid ?? 0;
      const closes = sockets
        .filter(({ pid }) => pid === victim)
        .map(async ({ socket }) => ((await once(socket, "close")) as [CloseEvent])[0].code);
      const killedAt = performance.now();
      process.kill(victim, "SIGKILL");
      const codes = await Promise.all(closes);
      console.log(
        `${codes.length} WebSockets were closed ${(performance.now() - killedAt).toFixed(1)} ms after the kill`,
      );
      assert.deepEqual(new Set(codes), new Set([1011]));
      const kept = sockets.filter(({ pid }) => pid !== victim);
      assert.ok(kept.length > 0);
      for (const { socket } of kept) {
        const echoed = once(socket, "message") as Promise<[MessageEvent<string>]>;
        socket.send("still there");
        assert.equal((await echoed)[0].data, "still there");
        socket.close();
      }
    });
  });
}

describe("a proxy of two that is killed", () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await start(["--proxies", "2"]);
  });
  after(() => cluster.close());

  test("takes the streams of its own connections with it; the other's go on", PATIENCE, async () => {
    const streams = await Promise.all(Array.from({ length: 2 * STREAM_COUNT }, () => openStream(cluster.http)));
    const broken = new Set<OpenStream>();
    for (const stream of streams) {
      stream.answer.once("end", () => assert.fail("a stream ended as if it were whole"));
      stream.answer.once("close", () => broken.add(stream));
    }
    const [victim = 0] = proxyPids(cluster.dataDir);
    process.kill(victim, "SIGKILL");
    await eventually(() => (broken.size > 0 ? true : undefined));
    await eventually(() => (proxyPids(cluster.dataDir).includes(victim) ? undefined : true));
    // Connections break one after the other: each has broken, or goes on.
    const lengths = new Map(streams.map((stream) => [stream, stream.text().length]));
    const hasGoneOn = (stream: OpenStream): boolean => stream.text().length > (lengths.get(stream) ?? 0) + 60;
    await eventually(() => (streams.every((one) => broken.has(one) || hasGoneOn(one)) ? true : undefined));
    const kept = streams.filter((stream) => !broken.has(stream));
    console.log(`${broken.size} of ${streams.length} streams were on the proxy that was killed`);
    assert.ok(kept.length > 0);
    for (const stream of kept) await assertGoesOn(stream);
    for (const { close } of kept) close();
    // The replicas hear that nobody reads the broken ones: their slots become free.
    await eventually(async () => {
      const text = await (await fetch(`${cluster.http}/-/metrics`)).text();
      return /^thornback_replica_ongoing_requests\{[^}]*\} 0$/m.test(text) ? true : undefined;
    });
  });
});
