import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { z } from "zod";
import { ServeError } from "../../../../core/error.ts";
import { batch } from "../../../../sdk/batch.ts";
import { requestContext } from "../../../../sdk/context.ts";
import { application } from "../../../../sdk/application.ts";
import { deployment } from "../../../../sdk/deployment.ts";
import type { Handle } from "../../../../sdk/handle.ts";
import { secret } from "../../../../sdk/secret.ts";
import { createTestApplication, load } from "../../../../sdk/testing/index.ts";
import { makeProject, useTemporaryFolder } from "../../../fixture/project.ts";

const events: string[] = [];

class Model {
  readonly sizes: number[] = [];
  score = batch({ maxBatchSize: 4 }, async (values: number[]) => {
    this.sizes.push(values.length);
    return values.map((value) => (value < 0 ? new RangeError("negative") : value * 2));
  });
  async setup(): Promise<void> {
    events.push("model set up");
  }
  async teardown(): Promise<void> {
    events.push("model torn down");
  }
  batchSizes(): number[] {
    return this.sizes;
  }
  never(): Promise<void> {
    return new Promise(() => {});
  }
  secret(): string | undefined {
    return process.env["TEST_API_KEY"];
  }
}

class Gateway {
  static readonly input = z.object({ value: z.number() });
  readonly #model: Handle<Model>;
  constructor(model: Handle<Model>) {
    this.#model = model;
  }
  async setup(): Promise<void> {
    events.push(`gateway set up after ${await this.#model.score(1)}`);
  }
  async predict(input: { value: number }): Promise<{ score: number; id: string }> {
    return { score: await this.#model.score(input.value), id: requestContext().requestId };
  }
}

const model = deployment(Model, { env: { TEST_API_KEY: secret("KEY") } }).bind();
const app = application(deployment(Gateway).bind(model), { name: "scores", routePrefix: "/scores" });
const secrets = { KEY: "hush" };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe("createTestApplication", () => {
  it("answers HTTP and typed calls as a cluster does", async () => {
    await using running = await createTestApplication(app, { secrets });
    const { score } = await running.client.predict({ value: 21 });
    assert.equal(score, 42);
    const headers = { "x-request-id": "r1", "content-type": "application/json" };
    const response = await running.fetch("/scores", { method: "POST", body: '{"value":1}', headers });
    assert.deepEqual([response.status, await response.json()], [200, { score: 2, id: "r1" }]);
    assert.equal((await running.fetch("/other")).status, 404);
    assert.equal((await running.fetch("/scores")).status, 405);
    const described = (await (await running.fetch("/scores/openapi.json")).json()) as { openapi: string };
    assert.equal(described.openapi, "3.1.0");
    await assert.rejects(running.client.predict({ value: "x" } as never), (error: unknown) => {
      assert.ok(error instanceof ServeError);
      assert.deepEqual([error.code, error.details.problems?.[0]?.path], ["invalid_request", "value"]);
      return true;
    });
  });

  it("batches calls that come together, and fails an item alone", async () => {
    await using running = await createTestApplication(app, { secrets, log: silent });
    const handle = running.handle(model);
    const settled = await Promise.allSettled([1, 2, -1, 3, 4].map((value) => handle.score(value)));
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
    const sizes = await handle.batchSizes();
    assert.ok(Math.max(...sizes) > 1 && Math.max(...sizes) <= 4, `batches of ${sizes.join(", ")}`);
  });

  it("ends a request at its deadline when the clock says so, and not before", async () => {
    await using running = await createTestApplication(app, { secrets });
    const slow = running
      .handle<Model>("Model")
      .never()
      .then(
        () => "answered",
        (error: ServeError) => error.code,
      );
    await running.clock.advance(59_000);
    assert.equal(await Promise.race([slow, Promise.resolve("waits")]), "waits");
    await running.clock.advance(2_000);
    assert.equal(await slow, "deadline_exceeded");
  });

  it("starts what is called before its callers, and tears everything down", async () => {
    events.length = 0;
    const running = await createTestApplication(app, { secrets });
    await running.close();
    await running.close();
    assert.deepEqual(events, ["model set up", "gateway set up after 2", "model torn down"]);
  });

  it("lets a fallback answer for a deployment that is full, called by HTTP or through handles", async () => {
    class Large {
      async predict({ mode }: { mode: string }): Promise<string> {
        if (mode === "hold") await new Promise(() => {});
        return "large";
      }
    }
    class Front {
      readonly #large: Handle<Large>;
      constructor(large: Handle<Large>) {
        this.#large = large;
      }
      async predict(input: { mode: string }): Promise<string> {
        return `front of ${await this.#large.predict(input)}`;
      }
    }
    const fallback = ({ mode }: { mode: string }): string => `small ${mode}`;
    const large = deployment(Large, { maxOngoingRequests: 1, maxQueuedRequests: 1, fallback }).bind();
    for (const [ingress, expected] of [
      [large, '"small ask"'],
      [deployment(Front).bind(large), '"front of small ask"'],
    ] as const) {
      await using running = await createTestApplication(ingress, { log: silent });
      const send = (mode: string, signal?: AbortSignal): Promise<Response> => {
        const headers = { "content-type": "application/json" };
        return running.fetch("/", {
          method: "POST",
          body: JSON.stringify({ mode }),
          headers,
          ...(signal && { signal }),
        });
      };
      const plain = await send("ask");
      assert.deepEqual([plain.status, plain.headers.get("x-thornback-degraded")], [200, null]);
      await plain.text();
      const gone = new AbortController();
      // One is ongoing, one waits.
      const held = Promise.allSettled([send("hold", gone.signal), send("hold", gone.signal)]);
      const answer = await send("ask");
      assert.deepEqual([await answer.text(), answer.headers.get("x-thornback-degraded")], [expected, "Large-fallback"]);
      gone.abort();
      await held;
    }
  });

  it("sets the environment while it runs", async () => {
    const running = await createTestApplication(app, { secrets });
    assert.equal(await running.handle(model).secret(), "hush");
    await running.close();
    assert.equal(process.env["TEST_API_KEY"], undefined);
    await assert.rejects(createTestApplication(app), /needs a secret/);
  });

  it("refuses a handle of a deployment that is no part of it", async () => {
    await using running = await createTestApplication(app, { secrets });
    assert.throws(() => running.handle("Nobody"), /Nobody is no part of application scores: Gateway, Model/);
    assert.throws(() => running.handle(deployment(Gateway).bind({} as never)), /is no part of/);
  });

  it("tells why a deployment did not start", async () => {
    class Broken {
      constructor() {
        throw new Error("no weights");
      }
      predict(): void {}
    }
    await assert.rejects(createTestApplication(deployment(Broken).bind()), /constructing Broken.*no weights/);
  });

  it("lets go of a request that its caller aborts", async () => {
    class Slow {
      fetch(request: Request): Promise<Response> {
        return new Promise((_resolve, reject) =>
          request.signal.addEventListener("abort", () => reject(new Error("seen"))),
        );
      }
    }
    await using running = await createTestApplication(deployment(Slow).bind());
    const controller = new AbortController();
    const answer = running.fetch("/", { signal: controller.signal });
    setImmediate(() => controller.abort(new Error("gone")));
    await assert.rejects(answer, /gone/);
  });
});

describe("load", () => {
  it("bundles a file as a deploy does and serves it, leaving nothing behind", async (context) => {
    const dir = await makeProject(context, {
      "words.txt": "from a file",
      "app.ts": `import { deployment } from "thornback"; import { readFileSync } from "node:fs";
        enum Kind { Good = "good" }
        class Words {
          predict() { return [Kind.Good, readFileSync(new URL("./words.txt", import.meta.url), "utf8")]; }
        }
        export default deployment(Words).bind();`,
    });
    const temporary = await useTemporaryFolder(context, dir);
    const running = await load(join(dir, "app.ts"));
    const response = await running.fetch("/", {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    assert.deepEqual(await response.json(), ["good", "from a file"]);
    await running.close();
    assert.deepEqual(await readdir(temporary), []);
  });
});
