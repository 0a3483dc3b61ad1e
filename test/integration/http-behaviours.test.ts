/** What users of other serving systems rely on over HTTP, through real processes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { application, batch, deployment, requestContext, type Handle } from "thornback";

class BrokenWeights extends RangeError {
  override name = "BrokenWeights";
  code = "E_WEIGHTS";
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve()));

class Model {
  #abortCount = 0;
  double(value: number): number {
    return value * 2;
  }
  add(one: number, other: number): number {
    return one + other;
  }
  requestId(): string {
    console.log("the model was asked");
    return requestContext().requestId;
  }
  fail(): never {
    throw new BrokenWeights("layer 3 is missing");
  }
  async wait(): Promise<void> {
    await aborted(requestContext().signal);
    this.#abortCount += 1;
  }
  abortCount(): number {
    return this.#abortCount;
  }
}

class Gateway {
  readonly #model: Handle<Model>;
  constructor(model: Handle<Model>) {
    this.#model = model;
  }
  async predict(mode: string): Promise<unknown> {
    if (mode === "compose") return this.#model.add(this.#model.double(20), 2);
    if (mode === "request id") return this.#model.requestId();
    if (mode === "wait") return this.#model.wait();
    if (mode === "abort count") return this.#model.abortCount();
    try {
      return await this.#model.fail();
    } catch (error) {
      const { name, code, stack } = error.details.remote;
      return { message: error.message, name, code, stack };
    }
  }
}

class Site {
  async fetch(request: Request): Promise<Response> {
    return Response.json({ path: new URL(request.url).pathname, prefix: request.headers.get("x-forwarded-prefix") });
  }
}

/** Holds its slot until its client leaves; remembers whom it has run. */
class OneSlot {
  #ran: string[] = [];
  async predict(name: string): Promise<string[]> {
    this.#ran.push(name);
    if (name.startsWith("hold")) await aborted(requestContext().signal);
    return this.#ran;
  }
}

class OneBatch {
  #ran: string[] = [];
  run = batch({ maxBatchSize: 1 }, async (names: string[], contexts) => {
    this.#ran.push(...names);
    if (names[0]?.startsWith("hold")) await aborted(contexts[0].signal);
    return names.map(() => this.#ran);
  });
  async predict(name: string): Promise<string[]> {
    return this.run(name);
  }
}

export default [
  application(deployment(Gateway).bind(deployment(Model).bind()), { name: "outer", routePrefix: "/a" }),
  application(deployment(Site).bind(), { name: "inner", routePrefix: "/a/b" }),
  application(deployment(OneSlot, { maxOngoingRequests: 1 }).bind(), { name: "slot", routePrefix: "/slot" }),
  application(deployment(OneBatch, { maxOngoingRequests: 8 }).bind(), { name: "batch", routePrefix: "/batch" }),
];
`;

let cluster: TestCluster;
const url = (path: string): string => `${cluster.http}${path}`;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("app/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

function send(
  path: string,
  input: unknown,
  options: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = { "content-type": "application/json", ...options.headers };
  return fetch(url(path), { method: "POST", body: JSON.stringify(input), ...options, headers });
}

test("the longest prefix wins, only whole segments count, the rest is 404, and the proxy says what it serves", async () => {
  const inner = (await (await fetch(url("/a/b/c"))).json()) as unknown;
  assert.deepEqual(inner, { path: "/c", prefix: "/a/b" });
  assert.equal((await post(url("/a"), "compose")).status, 200);
  for (const path of ["/ab", "/", "/slo"]) {
    const { status, body, headers } = await post(url(path), "x");
    assert.equal(status, 404);
    assert.equal(headers.get("content-type"), "application/problem+json");
    assert.equal((body as { code: string }).code, "route_not_found");
  }
  assert.equal((await fetch(url("/-/healthz"))).status, 200);
  const { routes } = (await (await fetch(url("/-/routes"))).json()) as { routes: { prefix: string }[] };
  assert.deepEqual(
    routes.map(({ prefix }) => prefix),
    ["/a", "/a/b", "/batch", "/slot"],
  );
});

test("a request's own time limit ends it with 504, and cancels what it called", async () => {
  const before = (await post(url("/a"), "abort count")).body as number;
  const startedAt = performance.now();
  const response = await send("/a", "wait", { headers: { "x-thornback-timeout-ms": "150" } });
  assert.equal(response.status, 504);
  assert.equal(((await response.json()) as { code: string }).code, "deadline_exceeded");
  assert.ok(performance.now() - startedAt < 2_000);
  await eventually(async () => ((await post(url("/a"), "abort count")).body === before + 1 ? true : undefined));
});

test("a request id is echoed, is that of nested calls, and stands in their log", async () => {
  const response = await send("/a", "request id", { headers: { "x-request-id": "behaviour-57" } });
  assert.equal(response.headers.get("x-request-id"), "behaviour-57");
  assert.equal(await response.json(), "behaviour-57");
  const line = /^\[outer-model-[^\]]*\] the model was asked \(request behaviour-57\)$/m;
  await eventually(async () => (line.test((await cluster.serve(["logs", "outer"])).out) ? true : undefined));
});

test("a call that was not awaited is an argument of the next, and an error keeps its class, code and stack", async () => {
  assert.equal((await post(url("/a"), "compose")).body, 42);
  const { body } = await post(url("/a"), "fail");
  const { message, name, code, stack } = body as Record<string, string>;
  assert.match(message ?? "", /layer 3 is missing/);
  assert.deepEqual([name, code], ["BrokenWeights", "E_WEIGHTS"]);
  assert.match(stack ?? "", /app\.ts:\d+/);
});
