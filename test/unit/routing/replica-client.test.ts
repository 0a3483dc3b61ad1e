import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServeError } from "../../../core/error.ts";
import { seededRandom } from "../../../core/random.ts";
import { ReplicaClient } from "../../../routing/replica-client.ts";
import type { ReplicaStream } from "../../../routing/sent-requests.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest } from "../../fake/routing-bed.ts";

const HEAD = routerRequest("a").head;

test("of the requests lost with a link, those that had not left yet are told apart", async () => {
  const bed = new RoutingBed();
  const { entry } = await bed.replica("r1");
  const turnEnds: (() => void)[] = [];
  const { clock, log, network } = bed;
  const defer = (callback: () => void): void => void turnEnds.push(callback);
  const listener = { onSlots: () => {}, onRetired: () => {}, onModels: () => {} };
  const client = new ReplicaClient({ clock, random: seededRandom(1), log, network, defer }, entry, listener);
  await settle();
  for (const callback of turnEnds.splice(0)) callback();
  const lost: string[] = [];
  const stream = (name: string): ReplicaStream => ({
    isRepeatable: false,
    onAnswer: () => assert.fail(),
    onError: (error: ServeError, wasHanded) => void lost.push(`${name} ${error.code} ${wasHanded}`),
  });
  // The first frame of a turn leaves at once, the second at its end, which never comes.
  for (const name of ["first", "second"]) client.send(HEAD, [], 1_000, stream(name));
  network.breakAll();
  await settle();
  assert.deepEqual(lost, ["first replica_lost true", "second replica_lost false"]);
  assert.equal(client.isReady, false);
  client.close();
  assert.equal(clock.pendingCount, 0);
});

test("a replica that accepts and never says welcome is given up, and tried again", async () => {
  const bed = new RoutingBed();
  const { clock, log, network } = bed;
  const silent = { onData: () => {}, onDrain: () => {}, onClose: () => {} };
  const { address } = await network.listen({ host: "h", port: 0 }, () => silent);
  const { entry } = await bed.replica("r1", {});
  const listener = { onSlots: () => assert.fail(), onRetired: () => {}, onModels: () => {} };
  const deps = { clock, random: seededRandom(1), log, network, defer: queueMicrotask };
  const client = new ReplicaClient(deps, { ...entry, address }, listener);
  await clock.advanceAsync(1_999);
  assert.equal(network.connects, 1);
  await clock.advanceAsync(500);
  assert.equal(network.connects, 2);
  client.close();
});
