import assert from "node:assert/strict";
import { test } from "node:test";
import { pickForModel, type ModelCandidate } from "../../../../routing/decide/pick-for-model.ts";
import { hash } from "../../../../routing/decide/ring.ts";

type Replica = ModelCandidate & { readonly id: string };

/** One with 16 slots. */
function replica(id: string, ongoing: number, ...modelIds: string[]): Replica {
  const held = new Set(modelIds);
  const models = { count: held.size, has: (modelId: string) => held.has(modelId) };
  return { id, isFree: ongoing < 16, ongoing, maxOngoingRequests: 16, idHash: hash(id), models };
}

function picked(modelId: string, replicas: readonly Replica[]): string | undefined {
  const free = [replicas.filter(({ isFree }) => isFree)];
  const holdersOf = (id: string): Replica[] => replicas.filter(({ models }) => models.has(id));
  const ongoingCount = replicas.reduce((sum, { ongoing }) => sum + ongoing, 0);
  const choice = pickForModel({ free, holdersOf, readyCount: replicas.length, ongoingCount }, modelId);
  return choice === undefined ? undefined : `${choice.replica.id} ${choice.reason}`;
}

test("a request goes where its model is, though others are less busy", () => {
  assert.equal(picked("m", [replica("r1", 0), replica("r2", 3, "m"), replica("r3", 0, "n")]), "r2 modelHeld");
});

test("of two that have it the same one is taken until it is loaded beyond its share, then the less busy one", () => {
  const [one = ""] = (picked("m", [replica("r1", 0, "m"), replica("r2", 0, "m")]) ?? "").split(" ");
  const busy = (ongoing: number, other: number): string | undefined =>
    picked("m", [
      replica("r1", one === "r1" ? ongoing : other, "m"),
      replica("r2", one === "r2" ? ongoing : other, "m"),
    ]);
  assert.equal(busy(3, 0), `${one} modelHeld`);
  assert.equal(busy(8, 1), `${one === "r1" ? "r2" : "r1"} modelHeld`);
  assert.equal(busy(9, 10), `${one} modelHeld`);
});

test("a hot model spreads to the least busy replica: from half of the slots, where that is clearly less busy", () => {
  const others = (ongoing: number): Replica[] => [replica("r2", ongoing + 1), replica("r3", ongoing)];
  assert.equal(picked("m", [replica("r1", 7, "m"), ...others(0)]), "r1 modelHeld");
  assert.equal(picked("m", [replica("r1", 8, "m"), ...others(4)]), "r3 modelSpread");
  assert.equal(picked("m", [replica("r1", 8, "m"), ...others(5)]), "r1 modelHeld");
});

test("where all that have it are full it spreads, however busy the others are", () => {
  assert.equal(picked("m", [replica("r1", 16, "m"), replica("r2", 15), replica("r3", 14)]), "r3 modelSpread");
});

test("a model that nobody has goes to the replica with the fewest, unless that is loaded beyond its share", () => {
  const replicas = [replica("r1", 0, "a", "b"), replica("r2", 0, "c"), replica("r3", 0, "d", "e")];
  assert.equal(picked("m", replicas), "r2 modelPlaced");
  assert.equal(picked("m", [replica("r1", 0, "a"), replica("r2", 9)]), "r1 modelPlaced");
});

test("routers agree on where a model that nobody has goes, and models go everywhere", () => {
  const replicas = ["r1", "r2", "r3"].map((id) => replica(id, 0));
  const places = new Map<string, number>();
  for (let at = 0; at < 300; at++) {
    const place = picked(`model-${at}`, replicas) ?? "";
    assert.equal(picked(`model-${at}`, replicas.toReversed()), place);
    places.set(place, (places.get(place) ?? 0) + 1);
  }
  for (const [place, count] of places) assert.ok(count > 70 && count < 130, `${place}: ${count}`);
  assert.equal(places.size, 3);
});

test("with no free slot there is nothing to choose", () => {
  assert.equal(picked("m", [replica("r1", 16, "m")]), undefined);
});
