import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation } from "../../../../core/cancellation.ts";
import { CancelledError, PayloadTooLargeError, type ServeError } from "../../../../core/error.ts";
import type { RequestId } from "../../../../core/ids.ts";
import { MOST_SOCKET_MESSAGE_BYTES, MOST_UNREAD_SOCKET_BYTES, STREAM_WINDOW_BYTES } from "../../../../core/limits.ts";
import { RECORD, RecordReader } from "../../../../proto/codec/record.ts";
import type { HttpRequestHead } from "../../../../proto/exchange.ts";
import { writeRecord } from "../../../../proto/record-stream.ts";
import { requestContext } from "../../../../sdk/context.ts";
import type { ServerWebSocket } from "../../../../sdk/server-web-socket.ts";
import { Invoker } from "../../../../worker/replica/invoke.ts";
import { requestScope } from "../../../../worker/replica/request.ts";
import { BodyGiver, BodyTaker } from "../../../fake/body-bed.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const identity = {
  application: "app",
  deployment: "Main",
  deploymentId: "app/Main",
  replica: "r",
  version: "v",
  node: "n",
};
const HEAD: HttpRequestHead = {
  kind: "socket",
  method: "GET",
  path: "/room?name=ada",
  prefix: "/",
  headers: ["host", "h"],
  requestId: "r-1" as RequestId,
  timeoutMs: 1_000,
  depth: 0,
  traceparent: "",
};

type Handler = (socket: ServerWebSocket, request: Request) => unknown;

function ingress(instance: object) {
  const log = new RecordingLog();
  const deps = { clock: new ManualClock(), log, identity, instance, input: undefined, output: undefined };
  return { log, invoker: new Invoker(deps) };
}

/** A client, connected to a handler. */
async function connect(websocket: Handler) {
  const { log, invoker } = ingress({ websocket });
  const client = new BodyGiver();
  const cancellation = new Cancellation();
  const answer = await invoker.answer(HEAD, client.body, requestScope(HEAD, identity, 1_000, cancellation));
  const taker = new BodyTaker(answer.body);
  const send = (text: string): void => void writeRecord(client.body, RECORD.TEXT, [Buffer.from(text)]);
  const close = (): void => {
    writeRecord(client.body, RECORD.CLOSE, []);
    client.body.end();
  };
  const drop = (): void => {
    const gone = new CancelledError("gone");
    client.body.fail(gone);
    cancellation.cancel(gone);
    taker.cancel(gone);
  };
  return { log, invoker, answer, client, taker, send, close, drop, seen: () => seen(taker.parts) };
}

/** What a client would see, as text. */
function seen(parts: readonly Uint8Array[]): string[] {
  const lines: string[] = [];
  const reader = new RecordReader(MOST_SOCKET_MESSAGE_BYTES, (kind, payload) => {
    const bytes = Buffer.from(payload);
    if (kind === RECORD.CLOSE) lines.push(`close ${bytes.readUInt16BE()} ${bytes.subarray(2)}`);
    else lines.push(kind === RECORD.TEXT ? bytes.toString() : `bytes ${bytes.toString("hex")}`);
  });
  for (const part of parts) reader.push(part);
  return lines;
}

test("messages come and go as text and bytes, and the end of the handler closes normally", async () => {
  const {
    answer,
    client,
    send,
    close,
    seen: seenByClient,
  } = await connect(async (socket, request) => {
    await socket.send(new URL(request.url).searchParams.get("name") ?? "");
    for await (const message of socket) await socket.send(message);
    await socket.send(requestContext().requestId);
  });
  assert.deepEqual([answer.status, answer.headers], [101, []]);
  send("hä");
  writeRecord(client.body, RECORD.BINARY, [Uint8Array.of(1, 2)]);
  await settle();
  assert.deepEqual(seenByClient(), ["ada", "hä", "bytes 0102"]);
  close();
  await settle();
  assert.deepEqual(seenByClient().slice(3), ["r-1", "close 1000 "]);
});

test("a loop that is left leaves the connection open, and another goes on where it was", async () => {
  const { send, seen: seenByClient } = await connect(async (socket) => {
    for await (const message of socket) {
      await socket.send(`first ${String(message)}`);
      break;
    }
    for await (const message of socket) {
      await socket.send(`second ${String(message)}`);
      break;
    }
  });
  send("a");
  send("b");
  await settle();
  assert.deepEqual(seenByClient(), ["first a", "second b", "close 1000 "]);
});

test("a connection that is lost ends the iteration, aborts the signal, and swallows what is sent", async () => {
  const events: string[] = [];
  const { drop, log } = await connect(async (socket, request) => {
    request.signal.addEventListener("abort", () => events.push("aborted"));
    for await (const message of socket) events.push(String(message));
    events.push("ended");
    await socket.send("nobody hears it");
    socket.close();
  });
  drop();
  await settle();
  assert.deepEqual(events, ["aborted", "ended"]);
  assert.deepEqual(log.lines, []);
});

test("a handler that throws closes with 1011, without saying why, and is logged", async () => {
  const { log, seen: seenByClient } = await connect(async () => {
    throw new Error("hunter2");
  });
  await settle();
  assert.deepEqual(seenByClient(), ["close 1011 internal error"]);
  assert.match(String(log.lines[0]?.fields.err), /hunter2/);
});

test("a replica that drains closes with 1001, which ends the handlers", async () => {
  let isEnded = false;
  const { invoker, seen: seenByClient } = await connect(async (socket) => {
    for await (const message of socket) assert.fail(String(message));
    isEnded = true;
  });
  invoker.goAway();
  await settle();
  assert.deepEqual([seenByClient(), isEnded], [["close 1001 going away"], true]);
});

test("close takes a code and a reason that can be sent, once", async () => {
  const { seen: seenByClient } = await connect(async (socket) => {
    for (const wrong of [999, 1005, 1006, 1015, 2000, 5000, 1.5]) assert.throws(() => socket.close(wrong), RangeError);
    assert.throws(() => socket.close(1000, "x".repeat(124)), RangeError);
    socket.close(4001, "full");
    socket.close(4002);
    await socket.send("too late");
  });
  await settle();
  assert.deepEqual(seenByClient(), ["close 4001 full"]);
});

test("send resolves when there is room, and a client that reads nothing is cut off at last", async () => {
  let sentCount = 0;
  const message = "x".repeat(STREAM_WINDOW_BYTES / 2);
  const paced = await connect(async (socket) => {
    for (; sentCount < 100; sentCount++) await socket.send(message);
  });
  await settle();
  assert.equal(sentCount, 1);
  paced.taker.consume();
  await settle();
  assert.ok(sentCount > 1 && sentCount < 5, `${sentCount} messages`);
  paced.drop();
  await settle();
  assert.equal(sentCount, 100, "nobody waits for a client that is gone");

  const flooded = await connect(async (socket) => {
    for (let at = 0; at <= MOST_UNREAD_SOCKET_BYTES / message.length; at++) void socket.send(message);
    for await (const one of socket) assert.fail(String(one));
  });
  await settle();
  assert.equal((flooded.taker.outcome as ServeError).code, "queue_full");
});

test("what cannot be a message is refused", async () => {
  const failures: unknown[] = [];
  await connect(async (socket) => {
    await socket.send("x".repeat(MOST_SOCKET_MESSAGE_BYTES + 1)).catch((error: unknown) => failures.push(error));
    await socket.send(5 as unknown as string).catch((error: unknown) => failures.push(error));
  });
  await settle();
  assert.ok(failures[0] instanceof PayloadTooLargeError && failures[1] instanceof TypeError);
});

test("a class without websocket says so, and a request it has may last without a deadline", async () => {
  const { invoker } = ingress({ predict: () => 1 });
  const opening = invoker.answer(HEAD, new BodyGiver().body, requestScope(HEAD, identity, 1_000, new Cancellation()));
  await assert.rejects(
    opening,
    (error: ServeError) => error.code === "route_not_found" && /websocket/.test(error.message),
  );
  let deadlineAt = 0;
  await connect(() => {
    ({ deadlineAt } = requestContext());
  });
  assert.equal(deadlineAt, Number.POSITIVE_INFINITY);
});
