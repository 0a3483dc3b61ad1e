import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../../core/cancellation.ts";
import { CancelledError, PermissionDeniedError, UnauthenticatedError } from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import type { HttpRequestHead } from "../../../../proto/exchange.ts";
import { authorizeRequest } from "../../../../worker/replica/authorize.ts";

const HEAD: HttpRequestHead = {
  kind: "http",
  requestId: "r" as RequestId,
  timeoutMs: 1_000,
  depth: 0,
  traceparent: "",
  method: "POST",
  path: "/x?y=1",
  prefix: "/api",
  headers: ["host", "models.example", "x-user", "ann"],
};

function ask(authorize: unknown, cancellation = new Cancellation()): Promise<void> {
  return authorizeRequest({ authorize }, HEAD, cancellation);
}

test("an instance without the hook lets everything in", async () => {
  await authorizeRequest({}, HEAD, new Cancellation());
  await ask("not a function");
});

test("only true lets in: what merely looks like yes does not", async () => {
  await ask(() => true);
  await ask(async () => true);
  for (const answer of [false, undefined, null, 1, "true", {}]) {
    await assert.rejects(
      ask(() => answer),
      PermissionDeniedError,
    );
  }
});

test("the hook sees the request, whose body is not there, and is called on its instance", async () => {
  class Ingress {
    readonly seen: string[] = [];
    authorize(request: Request): boolean {
      const { method, url, headers, body } = request;
      this.seen.push(method, url, headers.get("x-user") ?? "", headers.get("x-forwarded-prefix") ?? "", String(body));
      return true;
    }
  }
  const instance = new Ingress();
  await authorizeRequest(instance, HEAD, new Cancellation());
  assert.deepEqual(instance.seen, ["POST", "http://models.example/x?y=1", "ann", "/api", "null"]);
});

test("what the hook throws is what the request ends with", async () => {
  const thrown = new UnauthenticatedError("who are you?");
  await assert.rejects(
    ask(() => {
      throw thrown;
    }),
    (error) => error === thrown,
  );
});

test("the hook hears when the client goes away", async () => {
  const cancellation = new Cancellation();
  let signal: AbortSignal | undefined;
  await ask((request: Request) => {
    signal = request.signal;
    return true;
  }, cancellation);
  cancellation.cancel(new CancelledError("gone"));
  assert.equal(signal?.aborted, true);
});
