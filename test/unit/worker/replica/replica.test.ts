import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../../core/cancellation.ts";
import {
  CancelledError,
  DeadlineExceededError,
  HandlerError,
  ReplicaLostError,
  ServeError,
} from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import { STREAM_WINDOW_BYTES } from "../../../../core/limits.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { RequestScope } from "../../../../core/request-scope.ts";
import { BodyStream } from "../../../../proto/body.ts";
import type { Answer, RequestHead } from "../../../../proto/exchange.ts";
import { Replica } from "../../../../worker/replica/replica.ts";
import { BodyTaker } from "../../../fake/body-bed.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

type Asked = {
  readonly request: RequestScope;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (e: unknown) => void;
};

const OK: Answer = { status: 200, headers: [], body: [] };
const BODY: readonly Uint8Array[] = [];

function head(timeoutMs = 1_000): RequestHead {
  return {
    kind: "http",
    requestId: "r-1" as RequestId,
    timeoutMs,
    depth: 0,
    traceparent: "",
    method: "POST",
    path: "/",
    prefix: "/",
    headers: ["x-team", "vision", "x-team", "audio"],
  };
}

function bed(maxOngoingRequests = 2) {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  const metrics = createMetrics();
  let goAways = 0;
  const replica = new Replica({
    clock,
    random: seededRandom(1),
    log: new RecordingLog(),
    metrics,
    actor: {
      answer: (_head, _body, request) => new Promise((resolve, reject) => asked.push({ request, resolve, reject })),
      goAway: () => (goAways += 1),
    },
    identity: {
      application: "app",
      deployment: "Main",
      deploymentId: "app/Main",
      replica: "app-Main-1",
      version: "v",
      node: "n",
    },
    maxOngoingRequests,
  });
  const ask = (timeoutMs?: number, cancellation = new Cancellation()): Promise<Answer> =>
    replica.handle(head(timeoutMs), BODY, cancellation);
  return { clock, asked, metrics, replica, ask, goneAway: () => goAways };
}

const withCode = (code: string) => (error: unknown) => error instanceof ServeError && error.code === code;

test("exactly maxOngoingRequests are admitted, and a slot is free as soon as one ends", async () => {
  const { asked, replica, ask } = bed(2);
  const first = ask();
  void ask();
  await assert.rejects(ask(), withCode("replica_overloaded"));
  assert.equal(replica.ongoing, 2);
  asked[0]?.resolve(OK);
  assert.equal(await first, OK);
  void ask();
  assert.equal(replica.ongoing, 2);
  assert.equal(asked.length, 3);
});

test("a request ends at its deadline, whatever the actor does afterwards", async () => {
  const { clock, asked, replica, ask } = bed();
  const late = assert.rejects(ask(100), DeadlineExceededError);
  clock.advance(100);
  await late;
  assert.equal(replica.ongoing, 0);
  assert.equal(asked[0]?.request.context.signal.aborted, true);
  asked[0]?.resolve(OK);
  await settle();
  assert.equal(clock.pendingCount, 0);
});

test("a cancelled request ends at once and tells the actor", async () => {
  const { clock, asked, ask, replica } = bed();
  const cancellation = new Cancellation();
  const gone = assert.rejects(ask(1_000, cancellation), CancelledError);
  cancellation.cancel(new CancelledError("the client went away"));
  await gone;
  assert.equal(asked[0]?.request.cancellation.reason?.code, "cancelled");
  assert.equal(replica.ongoing, 0);
  // One timer serves all deadlines; it may be set for one that is no more.
  await clock.advanceAsync(1_000);
  assert.equal(clock.pendingCount, 0);
});

test("one that is cancelled before it arrives is never given to the actor", async () => {
  const { asked, ask, replica, clock } = bed();
  const cancellation = new Cancellation();
  cancellation.cancel(new CancelledError("gone"));
  await assert.rejects(ask(1_000, cancellation), CancelledError);
  assert.deepEqual([asked.length, replica.ongoing, clock.pendingCount], [0, 0, 0]);
});

test("draining refuses what is new and waits for what is ongoing", async () => {
  const { asked, replica, ask } = bed();
  const ongoing = ask();
  let isDrained = false;
  const drained = replica.drain(5_000).then(() => (isDrained = true));
  await assert.rejects(ask(), withCode("replica_draining"));
  await settle();
  assert.equal(isDrained, false);
  asked[0]?.resolve(OK);
  await ongoing;
  await drained;
});

test("what is still ongoing when the drain's time is up ends as lost, and the drain with it", async () => {
  const { clock, replica, ask } = bed();
  const cut = assert.rejects(ask(60_000), ReplicaLostError);
  const drained = replica.drain(5_000);
  clock.advance(5_000);
  await cut;
  await drained;
  assert.equal(clock.pendingCount, 0);
});

test("draining with nothing ongoing is over at once", async () => {
  const { replica, clock } = bed();
  await replica.drain(5_000);
  assert.equal(clock.pendingCount, 0);
});

test("requests are counted by how they ended", async () => {
  const { asked, metrics, ask } = bed(3);
  const answers = [ask(), ask(), ask()];
  asked[0]?.resolve(OK);
  asked[1]?.reject(new HandlerError("failed"));
  asked[2]?.reject(new RangeError("not one of ours"));
  await Promise.allSettled(answers);
  const counts = metrics
    .samples()
    .flatMap(({ name, labels, values }) =>
      name === "thornback_replica_requests_total" ? [`${labels["outcome"]} ${values[0]}`] : [],
    );
  assert.deepEqual(counts.toSorted(), ["handler_failed 1", "internal 1", "ok 1"]);
});

test("the context tells the request, its headers and who serves it", async () => {
  const { asked, ask } = bed();
  void ask(250);
  const context = asked[0]?.request.context;
  assert.equal(context?.requestId, "r-1");
  assert.equal(context?.deadlineAt, 250);
  assert.equal(context?.headers.get("X-Team"), "vision, audio");
  assert.deepEqual(
    [context?.application, context?.deployment, context?.replica, context?.version],
    ["app", "Main", "app-Main-1", "v"],
  );
});

test("a request whose answer streams is ongoing until that is used up; its deadline and its cancellation break it off", async () => {
  const { clock, asked, replica, ask } = bed(4);
  const cancellation = new Cancellation();
  const promises = [ask(), ask(1_000, cancellation), ask(500)];
  const heard: string[] = [];
  const bodies = promises.map(
    (_, at) => new BodyStream({ onConsumed: () => {}, onCancel: (error) => heard.push(`${at} ${error.code}`) }),
  );
  for (const [at, body] of bodies.entries()) asked[at]?.resolve({ status: 200, headers: [], body });
  await Promise.all(promises);
  assert.equal(replica.ongoing, 3);
  const ignoring = { onData: () => {}, onEnd: () => {}, onError: () => {} };
  for (const body of bodies) body.receive(ignoring);
  bodies[0]?.end();
  cancellation.cancel(new CancelledError("gone"));
  await clock.advanceAsync(600);
  assert.deepEqual([heard, replica.ongoing], [["1 cancelled", "2 deadline_exceeded"], 0]);
});

test("a whole answer that takes several windows to send is ongoing until it is sent, and a drain waits for it", async () => {
  const { asked, replica, ask } = bed();
  const promise = ask();
  asked[0]?.resolve({ status: 200, headers: [], body: [new Uint8Array(STREAM_WINDOW_BYTES), new Uint8Array(8)] });
  const { body } = await promise;
  assert.equal(replica.ongoing, 1);
  let isDrained = false;
  const drained = replica.drain(5_000).then(() => (isDrained = true));
  const taker = new BodyTaker(body);
  await settle();
  assert.equal(isDrained, false);
  taker.consume();
  await drained;
  assert.deepEqual([taker.byteCount, taker.outcome, replica.ongoing], [STREAM_WINDOW_BYTES + 8, "ended", 0]);
});

test("a WebSocket outlives its deadline, and its actor is told of a drain", async () => {
  const { clock, asked, replica, goneAway } = bed();
  const promise = replica.handle({ ...head(500), kind: "socket" } as RequestHead, BODY, new Cancellation());
  const body = new BodyStream({ onConsumed: () => {}, onCancel: () => {} });
  asked[0]?.resolve({ status: 101, headers: [], body });
  await promise;
  await clock.advanceAsync(2_000);
  assert.equal(replica.ongoing, 1);
  const drained = replica.drain(5_000);
  assert.equal(goneAway(), 1);
  body.receive({ onData: () => {}, onEnd: () => {}, onError: () => {} });
  body.end();
  await drained;
});
