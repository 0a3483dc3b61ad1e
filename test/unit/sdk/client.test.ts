import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { build } from "esbuild";
import { ServeError } from "../../../core/error.ts";
import { client, createAdminClient } from "../../../sdk/client.ts";
import { deployment } from "../../../sdk/deployment.ts";

class Doubler {
  async predict(input: { value: number } | Uint8Array): Promise<{ doubled: number }> {
    return { doubled: input instanceof Uint8Array ? input.byteLength * 2 : input.value * 2 };
  }
}
const app = deployment(Doubler).bind();

class Counter {
  async *predict(count: number): AsyncGenerator<{ at: number }> {
    for (let at = 1; at <= count; at++) yield { at };
  }
}
const counting = deployment(Counter).bind();

/** A `fetch` that answers from a function and keeps what it was asked. */
function answering(answer: () => Response): { fetch: typeof fetch; asked: Request[] } {
  const asked: Request[] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    asked.push(new Request(url, init));
    return answer();
  };
  return { fetch, asked };
}

describe("client", () => {
  it("posts JSON to the route prefix, with the headers of client and call", async () => {
    const { fetch, asked } = answering(() => Response.json({ doubled: 42 }));
    const doubler = client<typeof app>("http://x/prefix/", { headers: { authorization: "Bearer t" }, fetch });
    assert.deepEqual(await doubler.predict({ value: 21 }, { timeoutMs: 50, headers: { "x-request-id": "r1" } }), {
      doubled: 42,
    });
    const [request] = asked;
    assert.equal(request?.url, "http://x/prefix/");
    assert.equal(request?.headers.get("authorization"), "Bearer t");
    assert.equal(request?.headers.get("x-thornback-timeout-ms"), "50");
    assert.equal(request?.headers.get("x-request-id"), "r1");
    assert.deepEqual(await request?.json(), { value: 21 });
  });

  it("sends bytes as they are and takes bytes back", async () => {
    const { fetch, asked } = answering(
      () => new Response(Uint8Array.of(1, 2), { headers: { "content-type": "application/octet-stream" } }),
    );
    const answer: unknown = await client<typeof app>("http://x", { fetch }).predict(Uint8Array.of(3));
    assert.deepEqual(answer, Uint8Array.of(1, 2));
    assert.equal(asked[0]?.headers.get("content-type"), "application/octet-stream");
  });

  it("gives the items of one that yields as they come, and leaving the loop cancels the request", async () => {
    const parts = [": \n\n", 'data: {"at":', '1}\n\ndata: {"at":2}\n\n', "data: [DONE]\n\n"];
    let isCancelled = false;
    const body = (): ReadableStream => {
      const left = [...parts];
      return new ReadableStream({
        pull(controller) {
          const part = left.shift();
          if (part === undefined) controller.close();
          else controller.enqueue(Buffer.from(part));
        },
        cancel() {
          isCancelled = true;
        },
      });
    };
    const { fetch } = answering(() => new Response(body(), { headers: { "content-type": "text/event-stream" } }));
    const counter = client<typeof counting>("http://x", { fetch });
    const got: unknown[] = [];
    for await (const { at } of counter.predict(2)) got.push(at);
    for await (const { at } of counter.predict(2)) if (got.push(at) > 0) break;
    assert.deepEqual([got, isCancelled], [[1, 2, 1], true]);
    parts.splice(3, 1, 'event: error\ndata: {"code":"replica_lost","detail":"gone"}\n\n');
    const failing = async (): Promise<void> => {
      for await (const { at } of counter.predict(2)) got.push(at);
    };
    await assert.rejects(failing, (error: ServeError) => error.code === "replica_lost" && error.message === "gone");
    parts.pop();
    await assert.rejects(failing, /ended before its last item/);
  });

  it("rejects with the code and problems that the application answered", async () => {
    const problem = {
      code: "invalid_request",
      detail: "bad",
      status: 400,
      problems: [{ path: "value", message: "is missing" }],
    };
    const { fetch } = answering(() => Response.json(problem, { status: 400 }));
    await assert.rejects(client<typeof app>("http://x", { fetch }).predict({ value: 1 }), (error: unknown) => {
      assert.ok(error instanceof ServeError);
      assert.deepEqual([error.code, error.details.problems], ["invalid_request", problem.problems]);
      return true;
    });
  });
});

describe("createAdminClient", () => {
  it("asks the admin REST, with its token", async () => {
    const { fetch, asked } = answering(() => Response.json({ applications: [], nodes: [] }));
    const admin = createAdminClient("http://x:8265/", { token: "t", fetch });
    assert.deepEqual((await admin.status()).applications, []);
    await admin.putApplication("a b", { spec: {} as never, secrets: { K: "v" } }, { plan: true });
    assert.deepEqual(
      asked.map(({ method, url }) => `${method} ${url}`),
      ["GET http://x:8265/api/v1/status", "PUT http://x:8265/api/v1/applications/a%20b?plan=true"],
    );
    assert.equal(asked[0]?.headers.get("authorization"), "Bearer t");
  });

  it("takes a hand in rollouts, and tells the metrics that deployments scale by", async () => {
    const { fetch, asked } = answering(() => Response.json({}));
    const admin = createAdminClient("http://x", { fetch });
    await admin.rollout("a b", "promote");
    await admin.tellMetric("a b", "D", 12.5);
    const bodies = await Promise.all(asked.map(async (one) => `${one.method} ${one.url} ${await one.text()}`));
    assert.deepEqual(bodies, [
      'POST http://x/api/v1/applications/a%20b/rollout {"action":"promote"}',
      'POST http://x/api/v1/applications/a%20b/deployments/D/metric {"value":12.5}',
    ]);
    assert.equal(asked[1]?.headers.get("content-type"), "application/json");
  });

  it("takes a missing blob for an answer, and any other refusal for an error", async () => {
    const absent = createAdminClient("http://x", { fetch: answering(() => new Response(null, { status: 404 })).fetch });
    assert.equal(await absent.hasBlob("ab"), false);
    await assert.rejects(absent.application("x"), ServeError);
    const refusing = createAdminClient("http://x", {
      fetch: answering(() => new Response(null, { status: 401 })).fetch,
    });
    await assert.rejects(refusing.hasBlob("ab"), (error: ServeError) => error.code === "unauthenticated");
  });
});

it("thornback/client can be bundled for browsers: it imports nothing of Node's", async () => {
  const result = await build({
    entryPoints: [join(import.meta.dirname, "../../../sdk/client.ts")],
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "esm",
    logLevel: "silent",
  });
  assert.deepEqual(result.errors, []);
  const imports = Object.values(result.metafile.outputs).flatMap((output) => output.imports);
  assert.deepEqual(imports, []);
});
