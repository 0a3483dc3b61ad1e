import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { after, before, describe, it } from "node:test";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { application, deployment, requestContext, type Handle, type ServerWebSocket } from "thornback";

class Model {
  #aborts: number[] = [];
  #endedCount = 0;

  async *generate(mode: string): AsyncGenerator<string> {
    const { signal } = requestContext();
    signal.addEventListener("abort", () => this.#aborts.push(Date.now()));
    try {
      yield "first";
      if (mode === "fail") throw Object.assign(new RangeError("out of words"), { code: "E_WORDS" });
      if (mode === "for ever") await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield "last";
    } finally {
      this.#endedCount += 1;
    }
  }

  async wait(): Promise<void> {
    const { signal } = requestContext();
    signal.addEventListener("abort", () => this.#aborts.push(Date.now()));
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  }

  seen(): { aborts: number[]; endedCount: number } {
    return { aborts: this.#aborts, endedCount: this.#endedCount };
  }
}

class Gateway {
  readonly #model: Handle<Model>;
  constructor(model: Handle<Model>) {
    this.#model = model;
  }

  async *predict(mode: string) {
    if (mode === "seen") yield await this.#model.seen();
    else if (mode === "wait") yield await this.#model.wait();
    else if (mode === "remote error") {
      try {
        for await (const word of this.#model.generate("fail")) yield word;
      } catch (error) {
        const { name, code } = error.details.remote;
        yield { message: error.message, name, code };
      }
    } else if (mode === "first only") {
      for await (const word of this.#model.generate("for ever")) {
        yield word;
        break;
      }
    } else yield* this.#model.generate(mode);
  }
}

class Site {
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === "/echo") return new Response(request.body);
    let bytes = 0;
    for await (const chunk of request.body ?? []) bytes += chunk.byteLength;
    return Response.json({ bytes });
  }

  async websocket(socket: ServerWebSocket): Promise<void> {
    for await (const message of socket) {
      if (message === "fail") throw new Error("as asked");
      await socket.send(message);
    }
  }
}

export default [
  application(deployment(Gateway).bind(deployment(Model).bind()), { name: "words", routePrefix: "/words" }),
  application(deployment(Site, { maxRequestBodyBytes: 6_000_000 }).bind(), { name: "site", routePrefix: "/site" }),
];
`;

type Seen = { readonly aborts: readonly number[]; readonly endedCount: number };

for (const front of ["node", "llhttp"]) {
  describe(`streams over the ${front} front`, () => {
    let cluster: TestCluster;
    const url = (path: string): string => `${cluster.http}${path}`;

    before(async () => {
      cluster = await startCluster(["--http-front", front]);
      const { code, err } = await cluster.serve(["deploy", cluster.project.write("app/app.ts", APP)]);
      assert.equal(code, 0, err);
    });

    after(async () => {
      await cluster.close();
    });

    /** Sends a request and resolves with the answer's head. */
    async function open(mode: string): Promise<{ answer: IncomingMessage; leave: () => void }> {
      const sent = httpRequest(url("/words"), { method: "POST", headers: { "content-type": "application/json" } });
      sent.on("error", () => {});
      sent.end(JSON.stringify(mode));
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      return { answer, leave: () => void sent.destroy() };
    }

    async function seen(): Promise<Seen> {
      const { body } = await post(url("/words"), "seen");
      return JSON.parse(String(body).split("\n", 1)[0]?.slice("data: ".length) ?? "") as Seen;
    }

    it("passes items on as they come, over two hops, and says when they end", async () => {
      const { status, body, headers } = await post(url("/words"), "all");
      assert.equal(status, 200);
      assert.equal(headers.get("content-type"), "text/event-stream");
      assert.equal(headers.get("cache-control"), "no-cache");
      assert.equal(headers.get("x-accel-buffering"), "no");
      assert.equal(body, 'data: "first"\n\ndata: "last"\n\ndata: [DONE]\n\n');
      const { answer, leave } = await open("for ever");
      const [chunk] = (await once(answer, "data")) as [Buffer];
      assert.equal(chunk.toString(), 'data: "first"\n\n', "the second is never there");
      leave();
    });

    it("tells of a failure in the middle by an event, and breaks the connection", async () => {
      const { answer } = await open("fail");
      let text = "";
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      await assert.rejects(once(answer, "end"), /aborted|ECONNRESET/);
      assert.match(text, /^data: "first"\n\nevent: error\ndata: \{.*"code":"handler_failed".*\}\n\n$/);
      assert.doesNotMatch(text, /out of words|DONE/);
    });

    it("gives the caller of a handle the remote error, in the middle of its loop", async () => {
      const { body } = await post(url("/words"), "remote error");
      const remote = { message: "out of words", name: "RangeError", code: "E_WORDS" };
      assert.equal(body, `data: "first"\n\ndata: ${JSON.stringify(remote)}\n\ndata: [DONE]\n\n`);
    });

    it("ends the generator behind a loop that is left early", async () => {
      const { endedCount } = await seen();
      assert.equal((await post(url("/words"), "first only")).body, 'data: "first"\n\ndata: [DONE]\n\n');
      await eventually(async () => ((await seen()).endedCount > endedCount ? true : undefined));
    });

    it("aborts nested work within 50 ms of its client's leaving, streaming or not", async () => {
      for (const mode of ["for ever", "wait"]) {
        const latencies: number[] = [];
        for (let at = 0; at < 5; at++) {
          const before = (await seen()).aborts.length;
          let leave: () => void;
          if (mode === "wait") {
            const controller = new AbortController();
            const headers = { "content-type": "application/json" };
            const init = { method: "POST", headers, body: '"wait"', signal: controller.signal };
            void fetch(url("/words"), init).catch(() => {});
            leave = () => controller.abort();
            await eventually(async () => ((await ongoing("Model")) > 0 ? true : undefined));
          } else {
            const stream = await open(mode);
            await once(stream.answer, "data");
            ({ leave } = stream);
            stream.answer.on("error", () => {});
          }
          const leftAt = Date.now();
          leave();
          const { aborts } = await eventually(async () => {
            const now = await seen();
            return now.aborts.length > before ? now : undefined;
          });
          latencies.push((aborts.at(-1) ?? 0) - leftAt);
        }
        const median = latencies.toSorted((a, b) => a - b)[2] ?? 0;
        assert.ok(median <= 50, `${mode}: ${latencies.join(", ")} ms`);
      }
    });

    /** Requests that replicas of a deployment report as ongoing. */
    async function ongoing(deployment: string): Promise<number> {
      const text = await (await fetch(url("/-/metrics"))).text();
      const line = text
        .split("\n")
        .find((one) => one.startsWith("thornback_replica_ongoing_requests{") && one.includes(`/${deployment}"`));
      return Number(line?.split(" ").at(-1) ?? 0);
    }

    it("streams long bodies in and out, and refuses one that grows too long", async () => {
      const body = Buffer.alloc(5_000_000, "abcdefgh");
      const counted = await fetch(url("/site/"), { method: "POST", body });
      assert.deepEqual(await counted.json(), { bytes: body.length });
      const echoed = await fetch(url("/site/echo"), { method: "POST", body });
      assert.equal(Buffer.compare(Buffer.from(await echoed.arrayBuffer()), body), 0);
      const chunks = new ReadableStream({
        start(controller) {
          for (let at = 0; at < 100; at++) controller.enqueue(new Uint8Array(100_000));
          controller.close();
        },
      });
      const init: RequestInit & { duplex: "half" } = { method: "POST", body: chunks, duplex: "half" };
      const status = await fetch(url("/site/"), init).then((answer) => answer.status);
      assert.equal(status, 413);
    });

    it("tells of a replica that is lost in the middle of a stream within 100 ms", async () => {
      const { answer } = await open("for ever");
      await once(answer, "data");
      const { applications } = await cluster.status();
      const deployments = applications.find(({ name }) => name === "words")?.deployments ?? [];
      const pid = deployments.find(({ name }) => name === "Gateway")?.replicas[0]?.pid ?? 0;
      const killedAt = Date.now();
      process.kill(pid, "SIGKILL");
      const [event] = (await once(answer, "data")) as [Buffer];
      const elapsedMs = Date.now() - killedAt;
      assert.match(event.toString(), /^event: error\ndata: \{.*"code":"replica_lost"/);
      assert.ok(elapsedMs <= 100, `${elapsedMs} ms`);
      await assert.rejects(once(answer, "end"), /aborted|ECONNRESET/);
    });

    it("carries WebSockets, closes them when their handler fails, and when their replica drains", async () => {
      const connect = async (): Promise<WebSocket> => {
        const socket = new WebSocket(url("/site/").replace("http", "ws"));
        await once(socket, "open");
        return socket;
      };
      const closed = async (socket: WebSocket): Promise<number> => {
        const [event] = (await once(socket, "close")) as [CloseEvent];
        return event.code;
      };
      const failing = await connect();
      failing.send("hello");
      const [{ data }] = (await once(failing, "message")) as [MessageEvent<string>];
      assert.equal(data, "hello");
      failing.send("fail");
      assert.equal(await closed(failing), 1011);
      const drained = await connect();
      const closing = closed(drained);
      const { code, err } = await cluster.serve(["delete", "site"]);
      assert.equal(code, 0, err);
      assert.equal(await closing, 1001);
    });
  });
}
