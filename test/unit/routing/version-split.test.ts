import assert from "node:assert/strict";
import { test } from "node:test";
import { InternalError, ReplicaRefusedError } from "../../../core/error.ts";
import type { Version } from "../../../core/ids.ts";
import type { DeploymentEntry, TableEntry, TrafficSplit } from "../../../core/table.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest } from "../../fake/routing-bed.ts";
import { DEPLOYMENT, deploymentEntry } from "../../fake/table.ts";

const [V1, V2] = ["v1", "v2"] as Version[] as [Version, Version];
const BETA = ["x-beta", "yes"];

/** So many percent for the new version; a header asks for it as well. */
function traffic(percent: number): TrafficSplit {
  const shares = [
    { version: V1, percent: 100 - percent },
    { version: V2, percent },
  ];
  return { shares, rules: [{ header: "x-beta", value: "yes", version: V2 }] };
}

type Served = Awaited<ReturnType<RoutingBed["serve"]>>[number];
type Bed = {
  readonly bed: RoutingBed;
  readonly old: Served;
  readonly fresh: Served;
  /** Gives the router another table. */
  table(deployment: Partial<DeploymentEntry>, replicas?: readonly Served[]): Promise<void>;
};

/** A replica of each of two versions, with two slots each unless told. */
async function bedOfTwo(deployment: Partial<DeploymentEntry>, maxOngoingRequests = 2): Promise<Bed> {
  const bed = new RoutingBed();
  const replicas = [
    { id: "old", version: V1, maxOngoingRequests },
    { id: "new", version: V2, maxOngoingRequests },
  ];
  const [old, fresh] = await bed.serve(replicas, deployment);
  assert.ok(old !== undefined && fresh !== undefined);
  const table: Bed["table"] = async (more, listed = [old, fresh]) => {
    const entries = listed.map(({ entry }): TableEntry => ({ kind: "replica", ...entry }));
    await bed.table([deploymentEntry({ ...deployment, ...more }), ...entries]);
  };
  return { bed, old, fresh, table };
}

/** Sends a request that a rule has go to the new version. */
function sendNew(bed: RoutingBed, id: string, deadlineAt = 11_000): void {
  const { head } = routerRequest(id);
  assert.ok(head.kind === "http");
  bed.send(id, { head: { ...head, headers: BETA }, deadlineAt });
}

function ids({ handler }: Served): string[] {
  return handler.requests.map(({ head }) => head.requestId);
}

/** Answers one request every 10 ms. */
async function answerMore(bed: RoutingBed, { handler }: Served, count: number): Promise<void> {
  for (let more = 0; more < count; more++) {
    await bed.clock.advanceAsync(10);
    handler.requests.at(-1)?.answer("ok");
    await settle();
  }
}

async function answerAll({ handler }: Served): Promise<void> {
  for (const request of handler.requests) request.answer("ok");
  await settle();
}

test("requests are divided by the shares, and every answer names its version", async () => {
  const { bed, old, fresh } = await bedOfTwo({ traffic: traffic(25) }, 400);
  const versions: Version[] = [];
  for (let count = 0; count < 400; count++) {
    void bed.routers.send(DEPLOYMENT, routerRequest(`r${count}`)).then(({ version }) => versions.push(version));
  }
  await settle();
  assert.ok(Math.abs(fresh.handler.requests.length - 100) <= 2, String(fresh.handler.requests.length));
  const newCount = fresh.handler.requests.length;
  await answerAll(old);
  await answerAll(fresh);
  assert.equal(versions.filter((version) => version === V2).length, newCount);
});

test("a session stays with its version, and follows a growing share", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({ traffic: traffic(10) }, 1_000);
  const users = Array.from({ length: 100 }, (_, at) => `user-${at}`);
  let before: string[] = [];
  for (const percent of [10, 10, 40, 100]) {
    await table({ traffic: traffic(percent) });
    const from = fresh.handler.requests.length;
    for (const key of users) bed.send(key, { key });
    await settle();
    const now = ids(fresh).slice(from);
    assert.deepEqual(
      before.filter((key) => !now.includes(key)),
      [],
    );
    if (percent === 10 && before.length > 0) assert.deepEqual(now, before);
    before = now;
  }
  assert.equal(before.length, 100);
  assert.ok(old.handler.requests.length > 0);
});

test("a version without a free slot holds up nothing that is for another", async () => {
  const { bed, old, fresh } = await bedOfTwo({ traffic: traffic(0) });
  for (const id of ["n1", "n2", "n3", "n4"]) sendNew(bed, id);
  for (const id of ["o1", "o2", "o3"]) bed.send(id);
  await settle();
  assert.deepEqual(
    [ids(fresh), ids(old)],
    [
      ["n1", "n2"],
      ["o1", "o2"],
    ],
  );
  await answerAll(old);
  assert.deepEqual(ids(old), ["o1", "o2", "o3"]);
  assert.deepEqual(ids(fresh), ["n1", "n2"]);
  await answerAll(fresh);
  assert.deepEqual(ids(fresh), ["n1", "n2", "n3", "n4"]);
});

test("a version that is stuck cannot shut out the other: the newest of the longer lane makes room", async () => {
  const { bed, old } = await bedOfTwo({ traffic: traffic(0), maxQueuedRequests: 3 });
  for (const id of ["n1", "n2", "n3", "n4", "n5"]) sendNew(bed, id);
  for (const id of ["o1", "o2", "o3", "o4"]) bed.send(id);
  await settle();
  assert.deepEqual(bed.ends, ["n5 queue_full", "o4 queue_full"]);
  await answerAll(old);
  assert.deepEqual(ids(old), ["o1", "o2", "o3"]);
});

test("what a version refused waits for that version", async () => {
  const { bed, old, fresh } = await bedOfTwo({ traffic: traffic(0) });
  fresh.handler.refusal = new ReplicaRefusedError("replica_overloaded", "full");
  sendNew(bed, "n1");
  await settle();
  fresh.handler.refusal = undefined;
  await bed.clock.advanceAsync(20);
  assert.deepEqual([ids(old), ids(fresh)], [[], ["n1"]]);
});

test("when a version's last replica leaves the table, others serve what waits for it, in order of arrival", async () => {
  const { bed, old, table } = await bedOfTwo({ traffic: traffic(0) });
  for (const id of ["n1", "n2", "n3"]) sendNew(bed, id);
  for (const id of ["o1", "o2", "o3"]) bed.send(id);
  sendNew(bed, "n4");
  await settle();
  await table({ traffic: traffic(0) }, [old]);
  await answerAll(old);
  assert.deepEqual(ids(old), ["o1", "o2", "n3", "o3"]);
  await answerAll(old);
  assert.deepEqual(ids(old), ["o1", "o2", "n3", "o3", "n4"]);
});

test("how long a version's requests wait is told by how fast they end, also where another version serves them", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({ traffic: traffic(0), maxQueuedRequests: 500 }, 1);
  for (let count = 0; count < 200; count++) sendNew(bed, `n${count}`, 60_000);
  await settle();
  await answerMore(bed, fresh, 30);
  await table({ traffic: traffic(0), maxQueuedRequests: 500 }, [old]);
  await answerMore(bed, old, 90);
  // About 80 wait, and 100 a second end.
  sendNew(bed, "hopeless", bed.clock.now() + 500);
  sendNew(bed, "in time", bed.clock.now() + 1_500);
  await settle();
  assert.deepEqual(bed.ends.slice(120), ["hopeless deadline_exceeded"]);
});

test("a pinned request that would come too late is refused at once", async () => {
  const { bed, fresh } = await bedOfTwo({ maxQueuedRequests: 500 }, 1);
  for (let count = 0; count < 200; count++) bed.send(`p${count}`, { version: V2, deadlineAt: 60_000 });
  await settle();
  await answerMore(bed, fresh, 100);
  bed.send("hopeless", { version: V2, deadlineAt: bed.clock.now() + 500 });
  bed.send("in time", { version: V2, deadlineAt: bed.clock.now() + 1_500 });
  await settle();
  assert.deepEqual(bed.ends.slice(100), ["hopeless deadline_exceeded"]);
});

test("while all replicas of a version are left out others serve its requests, but for those that probe", async () => {
  const { bed, old, fresh } = await bedOfTwo({ traffic: traffic(0) }, 20);
  for (let failed = 0; failed < 5; failed++) {
    sendNew(bed, `bad${failed}`);
    await bed.clock.advanceAsync(20);
    fresh.handler.requests.at(-1)?.fail(new InternalError("broken"));
    await settle();
  }
  sendNew(bed, "n1");
  bed.send("pinned", { version: V2 });
  await bed.clock.advanceAsync(1_000);
  for (const id of ["n2", "n3"]) sendNew(bed, id);
  await settle();
  assert.deepEqual(ids(old), ["n1", "n2", "n3"]);
  assert.equal(ids(fresh).at(-1), "pinned");
  fresh.handler.requests.at(-1)?.answer("well again");
  await settle();
  sendNew(bed, "n4");
  await settle();
  assert.equal(ids(fresh).at(-1), "n4");
});

test("a pinned request goes to its version whatever the shares say, divided or not", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({ traffic: traffic(0) }, 20);
  bed.send("a", { version: V2 });
  await table({ traffic: undefined });
  bed.send("b", { version: V2 });
  bed.send("c", { version: V1 });
  await settle();
  assert.deepEqual([ids(old), ids(fresh)], [["c"], ["a", "b"]]);
});

test("a pinned request waits for its version while that has no replica, and the error names it", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({});
  await table({}, [old]);
  for (const id of ["a", "b"]) bed.send(id, { version: V2, deadlineAt: id === "a" ? 2_000 : 11_000 });
  bed.send("c");
  await bed.clock.advanceAsync(1_010);
  assert.deepEqual(bed.ends, ["a deadline_exceeded"]);
  assert.match(bed.errors[0]?.message ?? "", /version v2 of app\/Model/);
  await table({ traffic: traffic(0) }, [old, fresh]);
  assert.deepEqual([ids(old), ids(fresh)], [["c"], ["b"]]);
  await table({ availability: "failed", reason: "it threw" }, []);
  bed.send("d", { version: V2 });
  await settle();
  assert.equal(bed.ends.at(-1), "d deployment_unavailable");
  assert.match(bed.errors.at(-1)?.message ?? "", /version v2 of app\/Model has no replica/);
});

test("what waits is divided when a division begins, and goes anywhere when it ends", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({}, 1);
  for (const id of ["a", "b", "c", "d"]) bed.send(id);
  await settle();
  await table({ traffic: traffic(100) });
  await answerAll(old);
  assert.deepEqual(ids(old).length, 1);
  await answerAll(fresh);
  assert.equal(ids(fresh).at(-1), "c");
  await table({ traffic: undefined });
  assert.equal(ids(old).at(-1), "d");
});

test("a request sent before a division began is sent again within it", async () => {
  const { bed, old, fresh, table } = await bedOfTwo({}, 1);
  for (const id of ["a", "b"]) bed.send(id, { isIdempotent: true });
  await settle();
  await table({ traffic: traffic(100) });
  const [lost] = ids(old);
  for (const socket of old.sockets) socket.destroy();
  await answerAll(fresh);
  assert.equal(ids(fresh).at(-1), lost);
});
