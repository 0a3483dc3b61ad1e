import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cancellation } from "../../core/cancellation.ts";
import { CancelledError, HandlerError, type ServeError } from "../../core/error.ts";
import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { seededRandom, type Random } from "../../core/random.ts";
import type { ReplicaEntry } from "../../core/table.ts";
import { isStream, type Body, type BodyStream } from "../../proto/body.ts";
import type { Answer } from "../../proto/exchange.ts";
import { Replica } from "../../worker/replica/replica.ts";
import { serveReplica } from "../../worker/replica/replica-server.ts";
import { BodyGiver } from "../fake/body-bed.ts";
import { settle } from "../fake/manual-clock.ts";
import { RoutingBed, routerRequest } from "../fake/routing-bed.ts";
import { DEPLOYMENT, deploymentEntry, replicaEntry } from "../fake/table.ts";

const SLOTS = 3;
const SEEDS = 30;
const GONE = new CancelledError("the client went away");

/** Takes a body at whatever pace the test sets. */
class Reader {
  readonly body: BodyStream;
  end: "open" | "ended" | "failed" | "left" = "open";
  #unusedBytes = 0;

  constructor(body: BodyStream) {
    this.body = body;
    body.receive({
      onData: (bytes) => (this.#unusedBytes += bytes.byteLength),
      onEnd: () => (this.end = "ended"),
      onError: () => (this.end = "failed"),
    });
  }

  read(): void {
    const bytes = this.#unusedBytes;
    this.#unusedBytes = 0;
    if (bytes > 0) this.body.consumed(bytes);
  }

  leave(): void {
    if (this.end === "open") this.end = "left";
    this.body.cancel(GONE);
  }
}

type Handled = {
  readonly body: Body;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (e: unknown) => void;
};

/** A router with two replicas, whose clients and user code do at each step whatever the seed says. */
class World {
  readonly bed = new RoutingBed();
  readonly random: Random;
  readonly replicas: Replica[] = [];
  /** Requests that user code has not ended. */
  readonly handled: Handled[] = [];
  readonly givers: BodyGiver[] = [];
  readonly failed = new Set<BodyStream>();
  readonly readers: Reader[] = [];
  readonly cancellations: Cancellation[] = [];
  sentCount = 0;
  endedCount = 0;
  /** Requests that ended as cancelled though their clients waited. */
  wronglyCancelledCount = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  async start(): Promise<void> {
    const { clock, log, metrics, network } = this.bed;
    const entries: ReplicaEntry[] = [];
    for (const id of ["r1", "r2"]) {
      const identity = {
        application: "a",
        deployment: "D",
        deploymentId: DEPLOYMENT,
        replica: id,
        version: "v",
        node: "n",
      };
      const answer = (_head: unknown, body: Body): Promise<Answer> =>
        new Promise((resolve, reject) => this.handled.push({ body, resolve, reject }));
      const actor = { answer, goAway: () => {} };
      const replica = new Replica({
        clock,
        random: this.random,
        log,
        metrics,
        identity,
        actor,
        maxOngoingRequests: SLOTS,
      });
      this.replicas.push(replica);
      const entry = replicaEntry(id, { maxOngoingRequests: SLOTS });
      const door = { address: { host: "h", port: 0 }, replicaId: entry.id, callSecret: entry.callSecret };
      const { address } = await serveReplica({ clock, log, network, defer: queueMicrotask, handler: replica, ...door });
      entries.push({ ...entry, address });
    }
    await this.bed.table([deploymentEntry(), ...entries.map((entry) => ({ kind: "replica" as const, ...entry }))]);
  }

  send(): void {
    const { clock, routers } = this.bed;
    const cancellation = new Cancellation();
    this.cancellations.push(cancellation);
    let body: Body = [new Uint8Array(10)];
    if (this.#chance(0.6)) {
      const giver = new BodyGiver();
      this.givers.push(giver);
      cancellation.onCancel((error) => giver.body.fail(error));
      body = giver.body;
    }
    this.sentCount += 1;
    const deadlineAt = clock.now() + 5 + this.random.next() * 400;
    const request = routerRequest("x", { body, cancellation, deadlineAt, isIdempotent: this.#chance(0.5) });
    const drop = (error: ServeError): void => {
      if (isStream(body)) body.cancel(error);
    };
    routers.send(DEPLOYMENT, request).then(
      ({ answer }) => {
        this.endedCount += 1;
        if (isStream(answer.body)) this.readers.push(new Reader(answer.body));
      },
      (error: ServeError) => {
        this.endedCount += 1;
        const isGone = cancellation.reason !== undefined || (isStream(body) && this.failed.has(body));
        if (error.code === "cancelled" && !isGone) this.wronglyCancelledCount += 1;
        drop(error);
      },
    );
  }

  /** Something that a client, user code or the network does. */
  step(): void {
    const pick = this.random.next();
    if (pick < 0.2) this.send();
    else if (pick < 0.4) this.#give();
    else if (pick < 0.6) this.#any(this.readers)?.read();
    else if (pick < 0.85) this.#handle();
    else if (pick < 0.92) this.#any(this.cancellations)?.cancel(GONE);
    else if (pick < 0.96) this.#any(this.readers)?.leave();
    else if (pick < 0.965) this.bed.network.breakAll();
  }

  /** Every client is gone, and user code has ended whatever it had. */
  async end(): Promise<void> {
    for (const cancellation of this.cancellations) cancellation.cancel(GONE);
    for (const reader of this.readers) reader.leave();
    await settle();
    for (const { reject } of this.handled.splice(0)) reject(GONE);
    await this.bed.clock.advanceAsync(2_000);
  }

  #give(): void {
    const giver = this.#any(this.givers);
    if (giver === undefined) return;
    const pick = this.random.next();
    if (pick < 0.7) {
      if (giver.body.outstandingBytes < STREAM_WINDOW_BYTES) giver.body.write(new Uint8Array(100_000));
    } else if (pick < 0.95) giver.body.end();
    else {
      this.failed.add(giver.body);
      giver.body.fail(GONE);
    }
  }

  #handle(): void {
    const handled = this.#any(this.handled);
    if (handled === undefined) return;
    const { body, resolve, reject } = handled;
    const pick = this.random.next();
    if (pick < 0.4) {
      if (isStream(body) && !body.isReceived) this.readers.push(new Reader(body));
      return;
    }
    this.handled.splice(this.handled.indexOf(handled), 1);
    if (pick < 0.5) reject(new HandlerError("no"));
    else if (pick < 0.6) resolve({ status: 200, headers: [], body: [new Uint8Array(10)] });
    else if (pick < 0.7) resolve({ status: 200, headers: [], body: [new Uint8Array(3 * STREAM_WINDOW_BYTES)] });
    else {
      const giver = new BodyGiver();
      this.givers.push(giver);
      resolve({ status: 200, headers: [], body: giver.body });
    }
  }

  #any<T>(from: readonly T[]): T | undefined {
    // Mostly the latest: those before have ended most likely.
    return from.at(-1 - Math.floor(this.random.next() * Math.min(8, from.length)));
  }

  #chance(share: number): boolean {
    return this.random.next() < share;
  }
}

describe("streams both ways", () => {
  it("end once and give every slot back, whenever clients leave, code fails, deadlines pass and links break", async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new World(seed);
      await world.start();
      for (let step = 0; step < 400; step++) {
        world.step();
        if (step % 3 === 0) await settle();
        if (step % 7 === 0) await world.bed.clock.advanceAsync(3);
      }
      await world.end();
      const name = `seed ${seed}`;
      assert.deepEqual([world.endedCount, world.wronglyCancelledCount], [world.sentCount, 0], name);
      assert.deepEqual(
        world.replicas.map(({ ongoing }) => ongoing),
        [0, 0],
        name,
      );
      for (const { body } of world.givers)
        assert.ok(body.isSettled || !body.isReceived, `${name}: a body is left over`);
      for (const { end } of world.readers) assert.notEqual(end, "open", `${name}: a reader waits for ever`);
      // Replicas that were left out come back by one request at a time.
      for (let round = 0; round < 4; round++) {
        await world.bed.clock.advanceAsync(31_000);
        for (let count = 0; count < 2; count++)
          world.bed.send(`probe ${round}`, { deadlineAt: world.bed.clock.now() + 60_000 });
        await settle();
        for (const { resolve } of world.handled.splice(0)) resolve({ status: 200, headers: [], body: [] });
        await settle();
      }
      for (let count = 0; count < 3 * SLOTS; count++)
        world.bed.send("last", { deadlineAt: world.bed.clock.now() + 60_000 });
      await settle();
      assert.deepEqual(
        world.replicas.map(({ ongoing }) => ongoing),
        [SLOTS, SLOTS],
        `${name}: a slot is lost`,
      );
      world.bed.routers.close();
    }
  });
});
