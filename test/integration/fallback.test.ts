import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

/** `Slow` has one slot and no queue, and a request that it holds ends with its client: it is full as long as a test wants. */
const APP = `
import { application, deployment, type Handle } from "thornback";

type Input = { readonly text: string; readonly mode?: string };

class Slow {
  async predict({ text, mode }: Input): Promise<string> {
    if (mode === "fail") throw new Error("no");
    if (mode === "hold") return new Promise(() => {});
    return "slow " + text;
  }
}

class Small {
  predict({ text }: Input): string {
    return "small " + text.length;
  }
}

class Front {
  readonly #slow: Handle<Slow>;
  constructor(slow: Handle<Slow>) {
    this.#slow = slow;
  }
  async predict(input: Input): Promise<string> {
    return "front " + (await this.#slow.predict(input));
  }
}

const full = { maxOngoingRequests: 1, maxQueuedRequests: 0 };
const slow = deployment(Slow, { ...full, fallback: deployment(Small).bind() });

export default [
  application(slow.bind(), { name: "direct", routePrefix: "/direct" }),
  application(deployment(Slow, { ...full, fallback: ({ text }, { headers }) => "function " + text + (headers.get("x-more") ?? "") }).bind(), {
    name: "function",
    routePrefix: "/function",
  }),
  application(deployment(Front).bind(slow.bind()), { name: "nested", routePrefix: "/nested" }),
];
`;

const BROKEN = `
import { application, deployment } from "thornback";

class Broken {
  constructor() {
    throw new Error("no weights");
  }
  async fetch(): Promise<Response> {
    return new Response("whole");
  }
}

const broken = deployment(Broken, { fallback: async (request) => new Response("without " + (await request.text())) });
export default application(broken.bind(), { name: "broken", routePrefix: "/broken" });
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("fallback/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

type Answered = { readonly status: number; readonly body: unknown; readonly by: string | null };

async function ask(path: string, input: object, headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
  const answer = await post(`${cluster.http}${path}`, input, headers);
  return { status: answer.status, body: answer.body, by: answer.headers.get("x-thornback-degraded") };
}

/** Calls `code` while the only slot of the application's `Slow` is taken. */
async function whileFull(path: string, code: () => Promise<void>): Promise<void> {
  const isFull = async (): Promise<boolean> => (await ask(path, { text: "?" })).by !== null;
  // A router that has not connected yet has no slot to give, and no queue to wait in.
  await eventually(async () => ((await isFull()) ? undefined : true));
  const gone = new AbortController();
  const body = JSON.stringify({ text: "held", mode: "hold" });
  const hold = (): Promise<unknown> =>
    fetch(`${cluster.http}${path}`, {
      method: "POST",
      body,
      signal: gone.signal,
      headers: { "content-type": "application/json" },
    }).then(
      // A look had the slot just then.
      () => hold(),
      () => undefined,
    );
  const held = hold();
  await eventually(async () => ((await isFull()) ? true : undefined));
  try {
    await code();
  } finally {
    gone.abort();
    await held;
  }
}

test("an answer of the deployment itself is not marked", async () => {
  assert.deepEqual(await ask("/direct", { text: "hello" }), { status: 200, body: "slow hello", by: null });
});

test("while its only slot is taken its fallback answers and is named in a header", async () => {
  await whileFull("/direct", async () => {
    assert.deepEqual(await ask("/direct", { text: "hello" }), { status: 200, body: "small 5", by: "Small" });
    // A POST of a deployment that is not idempotent, with all of a body that is kept whole, and one that streams.
    for (const length of [60_000, 200_000]) {
      const { status, body } = await ask("/direct", { text: "x".repeat(length) });
      assert.deepEqual([status, body], [200, `small ${String(length)}`]);
    }
  });
});

test("a function answers with the input and the context that the deployment would have had", async () => {
  await whileFull("/function", async () => {
    const answered = await ask("/function", { text: "hello" }, { "x-more": "!" });
    assert.deepEqual(answered, { status: 200, body: "function hello!", by: "Slow-fallback" });
  });
});

test("a call through a handle is answered by the fallback, and the answer to the client says so", async () => {
  await whileFull("/nested", async () => {
    assert.deepEqual(await ask("/nested", { text: "hello" }), { status: 200, body: "front small 5", by: "Small" });
  });
});

test("an error of the deployment's own code is the client's to see", async () => {
  const { status, by } = await ask("/direct", { text: "hello", mode: "fail" });
  assert.deepEqual([status, by], [500, null]);
});

test("each is counted with its reason", async () => {
  const metrics = await (await fetch(`${cluster.http}/-/metrics`)).text();
  const series = (name: string, by: string): RegExp =>
    new RegExp(
      `^thornback_degraded_requests_total\\{deployment="${name}",fallback="${by}",reason="queueFull"\\} [1-9]`,
      "m",
    );
  assert.match(metrics, series("direct/Slow", "direct/Small"));
  assert.match(metrics, series("nested/Slow", "nested/Small"));
});

test("a deployment that cannot start is stood in for", async () => {
  const { code } = await cluster.serve(["deploy", cluster.project.write("broken/app.ts", BROKEN)]);
  assert.notEqual(code, 0);
  const answer = await eventually(async () => {
    const response = await fetch(`${cluster.http}/broken`, { method: "POST", body: "weights" });
    return response.status === 200 ? response : undefined;
  });
  assert.deepEqual(
    [await answer.text(), answer.headers.get("x-thornback-degraded")],
    ["without weights", "Broken-fallback"],
  );
});
