import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, ReplicaRefusedError, type ServeError } from "../../../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../../../core/limits.ts";
import { seededRandom } from "../../../core/random.ts";
import { BodyStream, isStream, type Body, type BodyReceiver } from "../../../proto/body.ts";
import type { Answer } from "../../../proto/exchange.ts";
import { ReplicaClient } from "../../../routing/replica-client.ts";
import type { ReplicaStream } from "../../../routing/sent-requests.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest, type BedReplica } from "../../fake/routing-bed.ts";

const { head: HEAD } = routerRequest("a");
const CHUNK = new Uint8Array(64 * 1024).fill(1);

/** A body, and what its producer heard. */
function stream(length?: number): { body: BodyStream; heard: string[] } {
  const heard: string[] = [];
  const body = new BodyStream(
    {
      onReceive: () => heard.push("received"),
      onConsumed: (bytes) => heard.push(`consumed ${bytes}`),
      onCancel: (error) => heard.push(`cancelled ${error.code}`),
    },
    length,
  );
  return { body, heard };
}

/** Takes a body and, unless told not to, uses up what comes at once. */
function take(body: Body | undefined, isConsuming = true): { bytes: () => number; ends: string[]; body: BodyStream } {
  assert.ok(body !== undefined && isStream(body));
  let bytes = 0;
  const ends: string[] = [];
  const receiver: BodyReceiver = {
    onData(chunk) {
      bytes += chunk.byteLength;
      if (isConsuming) body.consumed(chunk.byteLength);
    },
    onEnd: () => ends.push("end"),
    onError: (error) => ends.push(error.code),
  };
  body.receive(receiver);
  return { bytes: () => bytes, ends, body };
}

type Told = { answers: Answer[]; errors: string[]; stream: ReplicaStream };

function told(isRepeatable = false): Told {
  const answers: Answer[] = [];
  const errors: string[] = [];
  const onError = (error: ServeError, wasHanded: boolean): void => void errors.push(`${error.code} ${wasHanded}`);
  return { answers, errors, stream: { isRepeatable, onAnswer: (answer) => answers.push(answer), onError } };
}

async function bed(): Promise<{ bed: RoutingBed; replica: BedReplica; client: ReplicaClient }> {
  const made = new RoutingBed();
  const replica = await made.replica("r1");
  const { clock, log, network } = made;
  const deps = { clock, random: seededRandom(1), log, network, defer: queueMicrotask };
  const client = new ReplicaClient(deps, replica.entry, { onSlots: () => {}, onRetired: () => {}, onModels: () => {} });
  await settle();
  assert.ok(client.isReady);
  return { bed: made, replica, client };
}

test("a body that streams is not touched until the replica takes it, and then arrives whole", async () => {
  const { replica, client } = await bed();
  const { body, heard } = stream(3 * CHUNK.length);
  const { answers, stream: waiting } = told();
  body.write(CHUNK);
  client.send(HEAD, body, 1_000, waiting);
  await settle();
  assert.deepEqual(heard, []);
  const given = take(replica.handler.requests[0]?.body);
  await settle();
  body.write(CHUNK);
  body.write(CHUNK);
  body.end();
  await settle();
  assert.deepEqual([given.bytes(), given.ends, given.body.length], [3 * CHUNK.length, ["end"], 3 * CHUNK.length]);
  replica.handler.requests[0]?.answer("x");
  await settle();
  assert.equal(answers.length, 1);
  assert.equal(client.ongoing, 0);
});

test("a refused request has lost nothing of its body", async () => {
  const { replica, client } = await bed();
  const { body, heard } = stream();
  const { errors, stream: waiting } = told();
  replica.handler.refusal = new ReplicaRefusedError("replica_overloaded", "full");
  client.send(HEAD, body, 1_000, waiting);
  await settle();
  assert.deepEqual([errors, heard, body.isReceived, body.isSettled], [["replica_overloaded true"], [], false, false]);
});

test("a replica that does not read stops the sender at one window", async () => {
  const { replica, client } = await bed();
  const { body } = stream();
  client.send(HEAD, body, 1_000, told().stream);
  await settle();
  const given = take(replica.handler.requests[0]?.body, false);
  await settle();
  for (let sent = 0; sent < 8; sent++) body.write(CHUNK);
  await settle();
  assert.equal(given.bytes(), STREAM_WINDOW_BYTES);
  assert.equal(body.outstandingBytes, 8 * CHUNK.length - STREAM_WINDOW_BYTES);
  given.body.consumed(STREAM_WINDOW_BYTES);
  await settle();
  assert.equal(given.bytes(), 8 * CHUNK.length);
});

test("an answer that streams arrives as it is produced; its slot is free at its end", async () => {
  const { replica, client } = await bed();
  const { body } = stream(5);
  const { answers, stream: waiting } = told();
  client.send(HEAD, [], 1_000, waiting);
  await settle();
  replica.handler.requests[0]?.answerWith(body);
  await settle();
  const got = take(answers[0]?.body);
  assert.equal(got.body.length, 5);
  body.write(Buffer.from("ab"));
  await settle();
  assert.equal(got.bytes(), 2);
  assert.equal(client.ongoing, 1);
  body.write(Buffer.from("cde"));
  body.end();
  await settle();
  assert.deepEqual([got.bytes(), got.ends, client.ongoing], [5, ["end"], 0]);
});

test("a reader that does not use up an answer stops its producer at one window, and others go on", async () => {
  const { replica, client } = await bed();
  const { body, heard } = stream();
  const [slow, other] = [told(), told()];
  client.send(HEAD, [], 1_000, slow.stream);
  client.send(HEAD, [], 1_000, other.stream);
  await settle();
  replica.handler.requests[0]?.answerWith(body);
  for (let sent = 0; sent < 6; sent++) body.write(CHUNK);
  await settle();
  const got = take(slow.answers[0]?.body, false);
  await settle();
  assert.equal(got.bytes(), STREAM_WINDOW_BYTES);
  assert.equal(heard.filter((line) => line.startsWith("consumed")).length, STREAM_WINDOW_BYTES / CHUNK.length);
  replica.handler.requests[1]?.answer("x");
  await settle();
  assert.equal(other.answers.length, 1);
});

test("cancelling an answer that streams reaches its producer, and frees the slot", async () => {
  const { replica, client } = await bed();
  const { body, heard } = stream();
  const { answers, stream: waiting } = told();
  client.send(HEAD, [], 1_000, waiting);
  await settle();
  const request = replica.handler.requests[0];
  request?.answerWith(body);
  request?.cancellation.onCancel((error) => body.abort(error));
  await settle();
  take(answers[0]?.body).body.cancel(new CancelledError("the client went away"));
  await settle();
  assert.deepEqual(heard.at(-1), "cancelled cancelled");
  assert.equal(client.ongoing, 0);
});

test("a failure in the midst of an answer breaks it off with its error", async () => {
  const { bed: made, replica, client } = await bed();
  const [first, second] = [told(), told()];
  const [one, other] = [stream(), stream()];
  client.send(HEAD, [], 1_000, first.stream);
  client.send(HEAD, [], 1_000, second.stream);
  await settle();
  replica.handler.requests[0]?.answerWith(one.body);
  replica.handler.requests[1]?.answerWith(other.body);
  await settle();
  const [gotOne, gotOther] = [take(first.answers[0]?.body), take(second.answers[0]?.body)];
  one.body.fail(new CancelledError("enough"));
  await settle();
  assert.deepEqual(gotOne.ends, ["cancelled"]);
  made.network.breakAll();
  await settle();
  assert.deepEqual(gotOther.ends, ["replica_lost"]);
  assert.deepEqual(other.heard, ["received", "cancelled cancelled"]);
  assert.equal(client.ongoing, 0);
});

test("the link to a retired replica that is silent closes when nobody waits for its requests any more", async () => {
  const { bed: made, client } = await bed();
  const request = client.send(HEAD, [], 60_000, told().stream);
  await settle();
  for (const socket of made.network.sockets) socket.isHeld = true;
  client.retire();
  await made.clock.advanceAsync(2_000);
  assert.equal(client.ongoing, 1, "its client waits");
  client.cancel(request);
  assert.equal(client.ongoing, 0);
  assert.equal(made.clock.pendingCount, 0);
});

test("it closes too when the client of an answer that streams goes, and leaves no timer", async () => {
  const { bed: made, replica, client } = await bed();
  const { answers, stream: request } = told();
  client.send(HEAD, [], 60_000, request);
  await settle();
  replica.handler.requests[0]?.answerWith(stream().body);
  await settle();
  const { body } = take(answers[0]?.body);
  for (const socket of made.network.sockets) socket.isHeld = true;
  client.retire();
  await made.clock.advanceAsync(2_000);
  assert.equal(client.ongoing, 1, "its client reads on");
  body.cancel(new CancelledError("the client is gone"));
  assert.deepEqual([client.ongoing, made.clock.pendingCount], [0, 0]);
});

test("no timer is left of a retired replica that falls silent after its client has gone", async () => {
  const { bed: made, client } = await bed();
  const request = client.send(HEAD, [], 60_000, told().stream);
  await settle();
  for (const socket of made.network.sockets) socket.isHeld = true;
  client.cancel(request);
  client.retire();
  assert.equal(client.ongoing, 1, "the replica has not said that it has ended");
  await made.clock.advanceAsync(2_000);
  assert.deepEqual([client.ongoing, made.clock.pendingCount], [0, 0]);
});

test("a replica that answers nothing, not even whether it is there, is silent until it is heard again", async () => {
  const { bed: made, replica, client } = await bed();
  const [repeatable, other] = [told(true), told()];
  client.send(HEAD, [], 60_000, repeatable.stream);
  client.send(HEAD, [], 60_000, other.stream);
  await settle();
  // It answers the first question.
  await made.clock.advanceAsync(700);
  assert.equal(client.isSilent, false);
  for (const socket of made.network.sockets) socket.isHeld = true;
  await made.clock.advanceAsync(1_000);
  assert.deepEqual([client.isSilent, client.isReady], [true, false]);
  client.giveUp();
  assert.deepEqual([repeatable.errors, other.errors], [["replica_lost true"], []]);
  for (const socket of made.network.sockets) socket.isHeld = false;
  replica.handler.requests[1]?.answer("late");
  await settle();
  assert.deepEqual([client.isSilent, client.isReady, other.answers.length], [false, true, 1]);
});
