import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOptions, CallTransport } from "../../../core/call.ts";
import { Cancellation } from "../../../core/cancellation.ts";
import {
  CancelledError,
  HandlerError,
  InvalidRequestError,
  NotFoundError,
  type ServeError,
} from "../../../core/error.ts";
import type { DeploymentId, RequestId } from "../../../core/ids.ts";
import { seededRandom } from "../../../core/random.ts";
import { decodeValue, encodeValue } from "../../../proto/codec/value.ts";
import type { CallRequestHead } from "../../../proto/exchange.ts";
import { createCallTransport, type CallerContext } from "../../../routing/handle.ts";
import { writeRecord } from "../../../proto/record-stream.ts";
import { RECORD } from "../../../proto/codec/record.ts";
import { BodyGiver } from "../../fake/body-bed.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../../fake/routing-bed.ts";
import type { HeldRequest } from "../../fake/scripted-handler.ts";
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

function argumentsOf(request: HeldRequest | undefined): unknown {
  return decodeValue(Buffer.concat((request?.body ?? []) as readonly Uint8Array[]));
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
  assert.deepEqual(argumentsOf(request), [new Map([["a", 1n]]), Float32Array.of(1)]);
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
  assert.deepEqual(argumentsOf(replica.handler.requests[0]), [5]);
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

test("a long result that travels in pieces is one value, whose arrays look at the memory it came in", async () => {
  const { replica, transport } = await fixture();
  const result = call(transport, []);
  await settle();
  const numbers = Float32Array.from({ length: 200_000 }, (_, at) => at);
  replica.handler.requests[0]?.answerWith(encodeValue({ numbers }));
  const { numbers: got } = (await result) as { numbers: Float32Array };
  assert.deepEqual(got, numbers);
  assert.ok(got.byteOffset > 0, "a view, not a copy");
});

/** A call that has been answered with a stream, which the test writes. */
async function streamed(caller?: CallerContext, options: CallOptions = {}) {
  const { bed, replica, transport } = await fixture(caller);
  const result = call(transport, [], options);
  await settle();
  const giver = new BodyGiver();
  replica.handler.requests[0]?.answerWith(giver.body);
  const give = (item: unknown): void => void writeRecord(giver.body, RECORD.ITEM, encodeValue(item));
  return {
    bed,
    giver,
    give,
    request: replica.handler.requests[0],
    items: (await result) as AsyncIterableIterator<unknown>,
  };
}

test("what a method yields comes item by item, as values", async () => {
  const { give, giver, items } = await streamed();
  give(new Map([["a", 1n]]));
  give(undefined);
  assert.deepEqual(await items.next(), { done: false, value: new Map([["a", 1n]]) });
  assert.deepEqual(await items.next(), { done: false, value: undefined });
  giver.body.end();
  assert.deepEqual(await items.next(), { done: true, value: undefined });
});

test("an error in the middle of a stream arrives with what the other side knows of it", async () => {
  const { give, giver, items } = await streamed();
  give(1);
  const remote = { name: "RangeError", code: "E_RANGE", stack: "RangeError: out of range\n    at app.ts:3" };
  giver.body.fail(new HandlerError("out of range", { details: { remote } }));
  assert.equal((await items.next()).value, 1);
  await assert.rejects(items.next(), (error: ServeError) => {
    assert.deepEqual([error.code, error.message, error.details.remote], ["handler_failed", "out of range", remote]);
    return true;
  });
});

test("leaving the loop early cancels the stream at its source", async () => {
  const { give, items, request } = await streamed();
  give(1);
  for await (const item of items) if (item === 1) break;
  await settle();
  assert.equal(request?.cancellation.reason?.code, "cancelled");
});

test("a stream ends with the caller's cancellation, its signal or its deadline, however far it has come", async () => {
  const cancellation = new Cancellation();
  const controller = new AbortController();
  const ways: readonly [CallOptions, (bed: RoutingBed) => void, string][] = [
    [{}, () => cancellation.cancel(new CancelledError("client gone")), "cancelled"],
    [{ signal: controller.signal }, () => controller.abort(), "cancelled"],
    [{ timeoutMs: 100 }, (bed) => bed.clock.advance(200), "deadline_exceeded"],
  ];
  for (const [options, end, code] of ways.toReversed()) {
    const { bed, give, request, items } = await streamed({ ...CALLER, cancellation }, options);
    give(1);
    await items.next();
    const next = items.next();
    end(bed);
    await assert.rejects(next, (error: ServeError) => error.code === code);
    await settle();
    assert.ok(request?.cancellation.reason !== undefined, code);
  }
});

test("a caller that may last for ever has the deployment's time for each call", async () => {
  const { replica, transport } = await fixture({ ...CALLER, deadlineAt: Number.POSITIVE_INFINITY });
  void call(transport, []);
  await settle();
  assert.equal(replica.handler.requests[0]?.head.timeoutMs, 60_000);
});
