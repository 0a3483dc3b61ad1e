import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOptions, CallTransport } from "../../../core/call.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import { CancelledError, InvalidRequestError, NotFoundError } from "../../../core/error.ts";
import type { DeploymentId, RequestId } from "../../../core/ids.ts";
import { seededRandom } from "../../../core/random.ts";
import { decodeValue, encodeValue } from "../../../proto/codec/value.ts";
import type { CallRequestHead } from "../../../proto/exchange.ts";
import { createCallTransport, type CallerContext } from "../../../routing/handle.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";
import { DEPLOYMENT, deploymentEntry } from "../../fake/table.ts";

async function fixture(
  caller?: CallerContext,
): Promise<{ bed: RoutingBed; replica: BedReplica; transport: CallTransport }> {
  const bed = new RoutingBed();
  const replica = await bed.replica("r1");
  await bed.table([deploymentEntry(), { kind: "replica", ...replica.entry }]);
  const { clock, routers } = bed;
  return {
    bed,
    replica,
    transport: createCallTransport({ clock, random: seededRandom(1), routers, current: () => caller }),
  };
}

function call(transport: CallTransport, args: readonly unknown[], options: CallOptions = {}): Promise<unknown> {
  return transport.call({ deployment: DEPLOYMENT, method: "translate", args, options });
}

const CALLER: CallerContext = {
  requestId: "req-1" as RequestId,
  deadlineAt: 3_000,
  depth: 2,
  traceparent: "tp",
  cancellation: new Cancellation(),
};

test("arguments and the result travel as values", async () => {
  const { replica, transport } = await fixture();
  const result = call(transport, [new Map([["a", 1n]]), Float32Array.of(1)]);
  await settle();
  const [request] = replica.handler.requests;
  assert.deepEqual(decodeValue(request?.body ?? new Uint8Array()), [new Map([["a", 1n]]), Float32Array.of(1)]);
  request?.answer(Buffer.concat(encodeValue({ text: "hola" })).toString());
  assert.deepEqual(await result, { text: "hola" });
});

test("a call is part of its caller's request: id, trace, deadline, and one deeper", async () => {
  const { replica, transport } = await fixture(CALLER);
  const result = call(transport, [], { timeoutMs: 5_000, key: "k", modelId: "m", priority: 3 });
  await settle();
  const head = replica.handler.requests[0]?.head as CallRequestHead;
  assert.deepEqual(
    [head.requestId, head.traceparent, head.timeoutMs, head.depth, head.key, head.modelId, head.priority],
    ["req-1", "tp", 2_000, 3, "k", "m", 3],
  );
  replica.handler.requests[0]?.answer("");
  assert.equal(await result, undefined);
});

test("outside of any request a call has an id of its own and the deployment's time", async () => {
  const { replica, transport } = await fixture();
  void call(transport, []);
  await settle();
  const head = replica.handler.requests[0]?.head;
  assert.match(head?.requestId ?? "", /^[a-z0-9]{20}$/);
  assert.deepEqual([head?.timeoutMs, head?.depth], [60_000, 0]);
});

test("a call that was not awaited may be an argument", async () => {
  const { replica, transport } = await fixture();
  void call(transport, [Promise.resolve(5)]);
  await settle();
  assert.deepEqual(decodeValue(replica.handler.requests[0]?.body ?? new Uint8Array()), [5]);
});

test("what cannot be sent is a TypeError at the caller, with the path", async () => {
  const { transport } = await fixture();
  await assert.rejects(call(transport, [{ on: () => {} }]), /^TypeError: arguments\[0\]\.on is a function/);
});

test("deployments that call each other in a circle come to an end", async () => {
  const { transport } = await fixture({ ...CALLER, depth: 32 });
  await assert.rejects(
    call(transport, []),
    (error) => error instanceof InvalidRequestError && /circle/.test(error.message),
  );
});

test("a deployment that is not there is named", async () => {
  const { transport } = await fixture();
  const missing = transport.call({ deployment: "app/Nope" as DeploymentId, method: "m", args: [], options: {} });
  await assert.rejects(missing, (error) => error instanceof NotFoundError && /app\/Nope/.test(error.message));
});

test("a call is cancelled by its signal, and by its caller's cancellation", async () => {
  const cancellation = new Cancellation();
  const { replica, transport } = await fixture({ ...CALLER, cancellation });
  const controller = new AbortController();
  const bySignal = call(transport, [], { signal: controller.signal });
  const byCaller = call(transport, []);
  await settle();
  controller.abort();
  await assert.rejects(bySignal, CancelledError);
  cancellation.cancel(new CancelledError("client gone"));
  await assert.rejects(byCaller, /client gone/);
  await settle();
  assert.deepEqual(
    replica.handler.requests.map((request) => request.cancellation.reason?.code),
    ["cancelled", "cancelled"],
  );
});
