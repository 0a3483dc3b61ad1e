import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../../core/cancellation.ts";
import type { RequestId } from "../../../../core/ids.ts";
import type { RequestScope } from "../../../../core/request-scope.ts";
import type { RequestHead } from "../../../../proto/exchange.ts";
import { requestScope } from "../../../../worker/replica/request.ts";

const COMMON = { requestId: "r" as RequestId, timeoutMs: 1_000, depth: 0, traceparent: "" };
const IDENTITY = { application: "a", deployment: "d", deploymentId: "a/d", replica: "r", version: "v", node: "n" };

function scopeOf(head: RequestHead): RequestScope {
  return requestScope(head, IDENTITY as Parameters<typeof requestScope>[1], 1_000, new Cancellation());
}

const modelIdOf = (head: RequestHead): string => scopeOf(head).context.modelId;

test("a request's priority comes from its header, or from its call: batches are ordered by it", () => {
  const http = { kind: "http", ...COMMON, method: "POST", path: "/", prefix: "/" } as const;
  assert.equal(scopeOf({ ...http, headers: ["x-thornback-priority", "-3"] }).priority, -3);
  assert.equal(scopeOf({ ...http, headers: [] }).priority, 0);
  assert.equal(scopeOf({ ...http, headers: ["x-thornback-priority", "high"] }).priority, 0);
  const call = { kind: "call", ...COMMON, method: "predict", key: "", modelId: "", priority: 7 } as const;
  assert.equal(scopeOf(call).priority, 7);
});

test("a request's model id comes from its header, or from its call", () => {
  const http = { kind: "http", ...COMMON, method: "POST", path: "/", prefix: "/" } as const;
  assert.equal(modelIdOf({ ...http, headers: ["a", "x-thornback-model-id", "x-thornback-model-id", "m"] }), "m");
  assert.equal(modelIdOf({ ...http, headers: [] }), "");
  assert.equal(modelIdOf({ kind: "call", ...COMMON, method: "predict", key: "", modelId: "m", priority: 0 }), "m");
});
