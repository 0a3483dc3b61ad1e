import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { readDeploymentOptions } from "../../core/deployment-options.ts";
import { ServeError } from "../../core/error.ts";
import { ProblemList } from "../../core/problem-list.ts";
import type { TableUpdate } from "../../core/table.ts";
import { affineModel } from "../fixture/onnx-writer.ts";
import { ReplicaHarness } from "./replica-harness.ts";

let harness: ReplicaHarness | undefined;

async function blank(): Promise<ReplicaHarness> {
  harness = new ReplicaHarness();
  await harness.start();
  return harness;
}

afterEach(async () => {
  await harness?.close();
  harness = undefined;
});

const bound = (body: string): string => `import { deployment, batch, requestContext } from "thornback";
import { OnnxModel } from "thornback/onnx";
${body}
export default deployment(Main).bind();
`;

test("a blank becomes a replica, answers over frames with its model, and drains", async () => {
  const replica = await blank();
  writeFileSync(join(replica.dataDir, "bundle/affine.onnx"), affineModel(3));
  replica.order(
    bound(`class Main {
      #model = new OnnxModel("./affine.onnx", { batch: { maxBatchSize: 8 } });
      double = batch({ maxBatchSize: 4 }, (items) => items.map((item) => item * 2));
      async predict(input, context) {
        console.log("asked", context.requestId);
        const [y] = await this.#model.predict([input.x]);
        return { y, doubled: await this.double(input.x[0]), id: requestContext().requestId };
      }
      async add(a, b) { return a + b; }
      fail() { throw Object.assign(new RangeError("out of range"), { code: "E_RANGE" }); }
    }`),
  );
  const ready = await replica.reported("ready");
  assert.equal(ready.maxOngoingRequests, 16, "twice the largest batch");
  assert.equal(ready.provider, "cpu");
  const answer = await replica.http(JSON.stringify({ x: [1, 2, 3] }));
  assert.deepEqual(JSON.parse(answer.text), { y: [3, 5, 7], doubled: 2, id: "request-1" });
  assert.equal(await replica.call("add", 2n, 3n), 5n);
  await assert.rejects(replica.call("fail"), (error) => {
    assert.ok(error instanceof ServeError);
    assert.equal(error.code, "handler_failed");
    assert.equal(error.message, "out of range");
    assert.deepEqual([error.details.remote?.name, error.details.remote?.code], ["RangeError", "E_RANGE"]);
    return true;
  });
  const line = replica.log.split("\n").find((text) => text.includes("asked"));
  assert.equal(JSON.parse(line ?? "{}").requestId, "request-1");
  assert.equal(JSON.parse(line ?? "{}").deployment, "Main");
  replica.send({ kind: "drain", timeoutMs: 1_000 });
  assert.deepEqual(await replica.ended(), { code: 0, signal: null });
  assert.equal(replica.reports.at(-1)?.state, "stopped");
});

test("bad bodies are refused with the code and position the contract names", async () => {
  const replica = await blank();
  const app = `class Main {
      static input = { "~standard": { version: 1, vendor: "test", validate: (value) => typeof value.n === "number" ? { value } :
        { issues: [{ message: "expected a number", path: ["n"] }, { message: "expected a list", path: [{ key: "list" }, 3] }] } } };
      predict(input) { if (input.n < 0) throw Object.assign(new Error("n must not be negative"), { status: 422 });
        if (input.n > 9) throw new Error("secret detail"); return { n: input.n }; }
    }`;
  replica.order(bound(app));
  const code = (body: string | Uint8Array, headers?: string[]): Promise<ServeError> =>
    replica.http(body, headers === undefined ? {} : { headers }).then(
      () => assert.fail("it was accepted"),
      (error: ServeError) => error,
    );
  assert.match((await code('{"n": NaN}')).message, /at position 6/);
  assert.match((await code("[".repeat(100_000))).message, /deeper than 64/);
  assert.equal((await code("n=1", ["content-type", "text/plain"])).code, "unsupported_media_type");
  const invalid = await code("{}");
  assert.deepEqual(
    invalid.details.problems?.map(({ path }) => path),
    ["n", "list[3]"],
  );
  const asked = await code('{"n": -1}');
  assert.deepEqual(
    [asked.code, asked.details.status, asked.message],
    ["handler_failed", 422, "n must not be negative"],
  );
  const hidden = await code('{"n": 10}');
  assert.deepEqual([hidden.code, hidden.details.status], ["handler_failed", undefined]);
  assert.doesNotMatch(JSON.stringify([hidden.message, hidden.details]), /secret detail/);
  assert.match(replica.log, /secret detail/);
  assert.equal(replica.exit, undefined);
});

test("a fetch ingress gets a web-standard request with the prefix stripped and named", async () => {
  const replica = await blank();
  replica.order(
    bound(`class Main {
      async fetch(request) {
        const body = await request.text();
        const url = new URL(request.url);
        return new Response([request.method, url.pathname + url.search, request.headers.get("x-forwarded-prefix"), body].join(" "),
          { status: 201, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
      }
    }`),
  );
  const answer = await replica.http("hello", { method: "PUT", path: "/items/1?q=2", prefix: "/shop" });
  assert.equal(answer.status, 201);
  assert.equal(answer.text, "PUT /items/1?q=2 /shop hello");
  assert.deepEqual(
    answer.headers.filter((value) => /^[ab]=/.test(value)),
    ["a=1", "b=2"],
  );
});

const broken: readonly [string, string, RegExp, boolean, Record<string, unknown>?][] = [
  [
    "throws at import",
    `throw new TypeError("no such setting")`,
    /^importing app.mjs: TypeError: no such setting \(app\.mjs:\d+:\d+\)$/,
    true,
  ],
  ["has a syntax error", `const = 1;`, /^importing app.mjs: SyntaxError: /, true],
  ["has no default export", `export const a = 1;`, /no default export/, true],
  [
    "lacks the model file",
    bound(`class Main { #m = new OnnxModel("./gone.onnx"); predict() {} }`),
    /^loading \.\/gone\.onnx: model "\.\/gone\.onnx" \(app\.mjs:3:\d+\) was not found/,
    true,
  ],
  [
    "has a constructor that throws",
    bound(`class Main { constructor() { throw new Error("no key"); } predict() {} }`),
    /^constructing Main: Error: no key \(app\.mjs:3:\d+\)$/,
    false,
  ],
  [
    "has a setup that never resolves",
    bound(`class Main { setup() { return new Promise(() => {}); } predict() {} }`),
    /^setup did not finish: the start may take 300 ms/,
    true,
    { startTimeoutMs: 300 },
  ],
  [
    "calls process.exit",
    bound(`class Main { setup() { process.exit(0); } predict() {} }`),
    /^process\.exit\(0\) was called at app\.mjs:3:\d+$/,
    false,
  ],
  [
    "throws in a timer",
    bound(
      `class Main { setup() { setTimeout(() => { throw new Error("late"); }); return new Promise(() => {}); } predict() {} }`,
    ),
    /^uncaught: Error: late \(app\.mjs:3:\d+\)$/,
    false,
  ],
  [
    "admits fewer than a batch",
    bound(`class Main { many = batch({ maxBatchSize: 32 }, (x) => x); predict() {} }`),
    /maxOngoingRequests is 8, but many makes batches of up to 32/,
    true,
    { maxOngoingRequests: 8 },
  ],
  [
    "wants a secret that is missing",
    bound(`class Main { predict() {} }`),
    /secret KEY for env A of Main is missing/,
    true,
    { env: { A: { secret: "KEY" } } },
  ],
];

for (const [what, source, reason, isPermanent, options] of broken) {
  test(`an application that ${what} fails to start with the first cause`, async () => {
    const replica = await blank();
    replica.order(source, options);
    const report = await replica.reported("failed");
    assert.match(report.reason, reason);
    assert.equal(report.isPermanent, isPermanent);
    assert.deepEqual(await replica.ended(), { code: 1, signal: null });
  });
}

test("output without end is cut to a bound, and said", async () => {
  const replica = await blank();
  replica.order(
    bound(`class Main {
      predict() { for (let i = 0; i < 200; i++) process.stdout.write("x".repeat(100_000) + "\\n"); return "done"; }
    }`),
  );
  assert.equal((await replica.http("null")).text, '"done"');
  await replica.http("null");
  assert.ok(replica.log.length < 4_000_000, `${replica.log.length} bytes were logged`);
});

test("health checks that keep failing end the process with the cause", async () => {
  const replica = await blank();
  const source = bound(
    `class Main { #asked = 0; healthCheck() { if (this.#asked++ > 0) throw new Error("no GPU left"); } predict() {} }`,
  );
  replica.order(source, { healthCheckPeriodMs: 20 });
  await replica.reported("ready");
  const failed = await replica.reported("failed");
  assert.match(failed.reason, /3 health checks in a row failed, the last one: Error: no GPU left/);
  assert.deepEqual(await replica.ended(), { code: 1, signal: null });
});

test("a changed userConfig reaches the running replica, and tables are acknowledged", async () => {
  const replica = await blank();
  const source = bound(
    `class Main { #config; reconfigure(config) { this.#config = config; } predict() { return this.#config; } }`,
  );
  replica.order(source, { userConfig: { top: 1 } });
  assert.equal((await replica.http("null")).text, '{"top":1}');
  const options = readDeploymentOptions(new ProblemList(), "", { userConfig: { top: 2 } });
  replica.send({ kind: "reconfigure", options });
  const update: TableUpdate = { epoch: 3, version: 9, kind: "snapshot", baseVersion: 0, upserts: [], removals: [] };
  replica.send({ kind: "table", update });
  await replica.until(() =>
    replica.messages.some((message) => message.kind === "tableApplied" && message.version === 9),
  );
  assert.equal((await replica.http("null")).text, '{"top":2}');
});

test("a rejected promise that nobody looks at is logged and counted, and the replica serves on", async () => {
  const replica = await blank();
  replica.order(bound(`class Main { predict() { void Promise.reject(new Error("forgotten")); return 1; } }`));
  assert.equal((await replica.http("null")).text, "1");
  assert.equal((await replica.http("null")).text, "1");
  assert.match(replica.log, /forgotten/);
  replica.send({ kind: "getSamples", id: 7 });
  await replica.until(() => replica.messages.some(({ kind }) => kind === "samples"));
  const samples = replica.messages.flatMap((message) => (message.kind === "samples" ? message.samples : []));
  const counted = samples.find(({ name }) => name === "thornback_replica_unhandled_rejections_total");
  assert.ok((counted?.values[0] ?? 0) >= 1);
});
