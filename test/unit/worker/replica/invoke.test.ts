import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { Cancellation } from "../../../../core/cancellation.ts";
import { ReplicaRefusedError, ServeError } from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import type { RequestContext } from "../../../../core/request-context.ts";
import type { Body } from "../../../../proto/body.ts";
import { decodeValue, encodeValue } from "../../../../proto/codec/value.ts";
import type { Answer, RequestHead } from "../../../../proto/exchange.ts";
import { requestContext } from "../../../../sdk/context.ts";
import { Invoker } from "../../../../worker/replica/invoke.ts";
import { requestScope } from "../../../../worker/replica/request.ts";
import type { Schema } from "../../../../worker/replica/schema.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";
import { gatherBody } from "../../../fake/gather-body.ts";

const identity = {
  application: "app",
  deployment: "Main",
  deploymentId: "app/Main",
  replica: "r",
  version: "v",
  node: "n",
};
const common = { requestId: "r-1" as RequestId, timeoutMs: 1_000, depth: 0, traceparent: "" };

function bed(instance: object, schemas: { input?: unknown; output?: unknown } = {}) {
  const log = new RecordingLog();
  const input = schemas.input as Schema | undefined;
  const output = schemas.output as Schema | undefined;
  const invoker = new Invoker({ clock: new ManualClock(), log, identity, instance, input, output });
  const send = (head: RequestHead, body: Uint8Array | Body, cancellation = new Cancellation()): Promise<Answer> =>
    invoker.answer(head, body instanceof Uint8Array ? [body] : body, requestScope(head, identity, 1_000, cancellation));
  return {
    log,
    post(body: unknown, contentType = "application/json", method = "POST", path = "/"): Promise<Answer> {
      const headers = ["Content-Type", contentType, "Host", "models.example"];
      const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
      return send({ kind: "http", method, path, prefix: "/app", headers, ...common }, bytes);
    },
    async call(method: string, ...args: unknown[]): Promise<unknown> {
      const head: RequestHead = { kind: "call", method, key: "", modelId: "m1", priority: 0, ...common };
      const { body } = await send(head, encodeValue(args));
      return decodeValue(Buffer.concat(await gatherBody(body, Number.POSITIVE_INFINITY)));
    },
    send,
  };
}

const text = ({ body }: Answer): string => Buffer.concat(body as readonly Uint8Array[]).toString();

async function failure(promise: Promise<unknown>): Promise<ServeError> {
  const error: unknown = await promise.then(
    () => assert.fail("it was answered"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ServeError, String(error));
  return error;
}

test("predict gets the validated input and the context, and its result goes out as JSON", async () => {
  class Main {
    predict(input: { n: number }, context: RequestContext) {
      return { n: input.n, id: context.requestId, same: requestContext() === context };
    }
  }
  const { post } = bed(new Main(), { input: z.object({ n: z.coerce.number().default(7) }) });
  assert.deepEqual(JSON.parse(text(await post({ n: "3" }))), { n: 3, id: "r-1", same: true });
  assert.equal(JSON.parse(text(await post({}))).n, 7);
});

test("what models give back has a JSON form: typed arrays, whole numbers of 64 bits, nothing at all", async () => {
  const { post } = bed({
    predict: (which: string) =>
      ({
        arrays: { scores: Float32Array.of(0.5, 1), ids: BigInt64Array.of(3n), deep: [{ at: Uint8Array.of(1) }] },
        big: 5n,
        none: undefined,
      })[which],
  });
  assert.equal(text(await post("arrays")), '{"scores":[0.5,1],"ids":[3],"deep":[{"at":[1]}]}');
  assert.equal(text(await post("big")), "5");
  assert.equal(text(await post("none")), "null");
});

test("bytes come in and go out as bytes", async () => {
  const { post } = bed({ predict: (input: Uint8Array) => input.map((byte) => byte + 1) });
  const answer = await post(Uint8Array.of(1, 2), "application/octet-stream");
  assert.deepEqual(answer.headers, ["content-type", "application/octet-stream"]);
  assert.deepEqual(answer.body, [Uint8Array.of(2, 3)]);
});

test("an input that does not fit is refused with every problem and its path", async () => {
  const { post, log } = bed(
    { predict: () => 1 },
    { input: z.object({ pixels: z.array(z.number()), name: z.string() }) },
  );
  const error = await failure(post({ pixels: [1, "x", null] }));
  assert.equal(error.code, "invalid_request");
  assert.deepEqual(
    error.details.problems?.map(({ path }) => path),
    ["pixels[1]", "pixels[2]", "name"],
  );
  assert.equal(log.lines.length, 0);
});

test("an output that breaks its own schema is the handler's failure, and only the log says how", async () => {
  const { post, log } = bed({ predict: () => ({ label: "x" }) }, { output: z.object({ label: z.number() }) });
  const error = await failure(post(1));
  assert.equal(error.code, "handler_failed");
  assert.doesNotMatch(error.message, /label/);
  assert.match(String(log.lines[0]?.fields.err), /label/);
});

test("another method than POST is refused for predict", async () => {
  const error = await failure(bed({ predict: () => 1 }).post({}, "application/json", "GET"));
  assert.deepEqual([error.code, error.details.allow], ["method_not_allowed", ["POST"]]);
});

test("what user code throws: HTTP clients see a status they were meant to, handles see everything", async () => {
  class Missing extends Error {
    status = 404;
  }
  const main = bed({
    predict: (which: string) => {
      throw which === "asked"
        ? new Missing("no such digit")
        : Object.assign(new RangeError("password is hunter2"), { code: "E_X" });
    },
    find: () => {
      throw new Missing("no such digit");
    },
  });
  const asked = await failure(main.post("asked"));
  assert.deepEqual([asked.details.status, asked.message], [404, "no such digit"]);
  assert.equal(main.log.lines[0]?.level, "debug");
  const hidden = await failure(main.post("else"));
  assert.doesNotMatch(JSON.stringify({ ...hidden.details, message: hidden.message }), /hunter2/);
  assert.deepEqual([hidden.details.remote?.name, hidden.details.remote?.code], ["RangeError", "E_X"]);
  assert.match(hidden.message, /r-1/);
  assert.equal(main.log.lines[1]?.fields.requestId, "r-1");
  const remote = await failure(main.call("find"));
  assert.equal(remote.message, "no such digit");
  assert.match(remote.details.remote?.stack ?? "", /invoke\.test\.ts/);
});

test("something thrown that is no Error, and an error of ours, stay what they are", async () => {
  const refused = new ReplicaRefusedError("replica_overloaded", "busy");
  const { call } = bed({
    bare: () => Promise.reject("just text"),
    nested: () => Promise.reject(refused),
  });
  assert.equal((await failure(call("bare"))).code, "handler_failed");
  assert.equal((await failure(call("nested"))).code, "deployment_unavailable", "it must not look like our own refusal");
});

test("the log says what was thrown when it is no Error, even what has no form as text", async () => {
  const thrown: unknown[] = ["just text", undefined, { a: 1 }, Object.create(null)];
  const main = bed({ predict: (at: number) => Promise.reject(thrown[at]) });
  for (const at of thrown.keys()) assert.equal((await failure(main.post(at))).code, "handler_failed");
  assert.deepEqual(
    main.log.lines.map(({ fields }) => (fields.err as { message: string }).message),
    ["just text", "undefined", "{ a: 1 }", "[Object: null prototype] {}"].map(
      (text) => `${text} was thrown, which is no Error`,
    ),
  );
});

test("handles reach public methods, and neither hooks nor what every object has", async () => {
  class Main {
    readonly #factor = 2;
    double(value: number): number {
      return value * this.#factor;
    }
    field = async (value: Float32Array) => new Map([["sum", value.reduce((a, b) => a + b)]]);
    setup(): void {}
    fetch(): void {}
  }
  const { call } = bed(new Main());
  assert.equal(await call("double", 4), 8);
  assert.deepEqual(await call("field", Float32Array.of(1, 2)), new Map([["sum", 3]]));
  for (const name of ["setup", "fetch", "constructor", "toString", "__proto__", "gone"]) {
    assert.equal((await failure(call(name))).code, "handler_failed", name);
  }
});

test("results that are no plain data are refused by name", async () => {
  const { call } = bed({ instance: () => ({ inner: new (class Secret {})() }) });
  assert.match((await failure(call("instance"))).message, /the result of instance\.inner is an instance of Secret/);
});

test("a fetch ingress gets the request below its prefix, its cancellation, and answers as it likes", async () => {
  let seen: Request | undefined;
  const { send } = bed({
    async fetch(request: Request) {
      seen = request;
      return new Response(await request.text(), { status: 202, headers: { "x-a": "1" } });
    },
  });
  const head: RequestHead = {
    kind: "http",
    method: "PUT",
    path: "/x/y?z=1",
    prefix: "/app",
    headers: ["host", "h:1"],
    ...common,
  };
  const cancellation = new Cancellation();
  const answer = await send(head, Buffer.from("body"), cancellation);
  assert.equal(seen?.url, "http://h:1/x/y?z=1");
  assert.equal(seen?.headers.get("x-forwarded-prefix"), "/app");
  assert.deepEqual([answer.status, text(answer)], [202, "body"]);
  cancellation.cancel(new ServeError("cancelled", "gone"));
  assert.equal(seen?.signal.aborted, true);
});

test("a fetch that answers with no Response, or cannot be asked at all, fails clearly", async () => {
  const { log, send } = bed({ fetch: () => "text" });
  const head: RequestHead = {
    kind: "http",
    method: "GET",
    path: "/",
    prefix: "/",
    headers: ["host", "not a host"],
    ...common,
  };
  assert.equal((await failure(send(head, new Uint8Array()))).code, "handler_failed");
  assert.match(String(log.lines[0]?.fields.err), /fetch of Main returned string, not a Response/);
  assert.equal((await failure(send({ ...head, method: "TRACE" }, new Uint8Array()))).code, "invalid_request");
});

test("errors of a cancelled request are not logged: they are its echo", async () => {
  const cancellation = new Cancellation();
  const { log, send } = bed({
    predict: () => {
      cancellation.cancel(new ServeError("cancelled", "gone"));
      throw new Error("aborted");
    },
  });
  const head: RequestHead = { kind: "http", method: "POST", path: "/", prefix: "/", headers: [], ...common };
  await failure(send(head, Buffer.from("1"), cancellation));
  assert.deepEqual(log.lines, []);
});
