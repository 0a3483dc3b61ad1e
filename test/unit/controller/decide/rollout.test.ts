import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  givenUpReason,
  MAKE_ROOM_AFTER_MS,
  rollout,
  type RolloutInput,
  type RolloutReplica,
  surgeOf,
  unavailableOf,
} from "../../../../controller/decide/rollout.ts";
import type { NodeId, ReplicaId, Version } from "../../../../core/ids.ts";

const V1 = "v1" as Version;
const V2 = "v2" as Version;

function replica(id: string, given: Partial<RolloutReplica> = {}): RolloutReplica {
  return {
    id: id as ReplicaId,
    version: V1,
    node: "n1" as NodeId,
    desired: "run",
    isReady: true,
    isServing: true,
    leaving: undefined,
    isFailing: false,
    failedStarts: 0,
    restarts: 0,
    reason: "",
    isUnlisted: false,
    isHeld: false,
    isUnknown: false,
    isUnproven: false,
    createdAt: 0,
    ...given,
  };
}

function steps(given: Partial<RolloutInput>, now = 0): string[] {
  const none = { version: V1, target: 1, isHeld: false, replicas: [], maxSurge: 0.25, maxUnavailable: 0 };
  return rollout({ ...none, wouldFitWithout: () => true, ...given }, now).map((step) => {
    if (step.kind !== "create") return `${step.kind} ${step.replica} ${step.reason}`;
    const version = step.version === (given.version ?? V1) ? "" : ` of ${step.version}`;
    return `create ${step.count}${version} ${step.reason}`;
  });
}

const starting = { isReady: false, isServing: false };
const many = (count: number, given: Partial<RolloutReplica> = {}, prefix = "o"): RolloutReplica[] =>
  Array.from({ length: count }, (_, i) => replica(`${prefix}${i}`, given));

describe("a rollout", () => {
  it("makes what is missing and removes what is too much, the newest of the fullest node first", () => {
    assert.deepEqual(steps({ target: 3 }), ["create 3 belowTarget"]);
    const replicas = [
      replica("a"),
      replica("b", { createdAt: 1 }),
      replica("c", { node: "n2" as NodeId, createdAt: 2 }),
    ];
    assert.deepEqual(steps({ target: 2, replicas }), ["leave b aboveTarget"]);
  });

  it("replaces what is on a draining node all at once, and removes it as far as others serve", () => {
    const leaving = { leaving: "nodeDrains" } as const;
    const old = many(8, leaving);
    assert.deepEqual(steps({ target: 8, replicas: old }), ["create 8 surge"]);
    const replicas = [...old, ...many(3, {}, "n"), ...many(5, starting, "s")];
    assert.deepEqual(steps({ target: 8, replicas }), [
      "leave o0 nodeDrains",
      "leave o1 nodeDrains",
      "leave o2 nodeDrains",
    ]);
    assert.deepEqual(steps({ replicas: [replica("a", { ...leaving, ...starting, isFailing: true })] }), [
      "stop a nodeDrains",
      "create 1 surge",
    ]);
  });

  it("replaces what asks to be recycled within the surge, and where nothing fits beside it, in its place", () => {
    const leaving = { leaving: "retires" } as const;
    assert.deepEqual(steps({ target: 8, replicas: many(8, leaving) }), ["create 2 surge"]);
    const replicas = [replica("a", leaving), replica("b", { ...starting, node: undefined })];
    assert.deepEqual(steps({ replicas }, MAKE_ROOM_AFTER_MS - 1), []);
    assert.deepEqual(steps({ replicas }, MAKE_ROOM_AFTER_MS), ["leave a makesRoom"]);
    assert.deepEqual(steps({ target: 2, replicas: [replica("a", leaving), replica("b"), replica("c")] }), [
      "leave a retires",
    ]);
  });

  it("removes one that is not ready before one that is", () => {
    assert.deepEqual(steps({ replicas: [replica("a", starting), replica("b")] }), ["stop a aboveTarget"]);
  });

  it("surges by a quarter, at least one", () => {
    assert.deepEqual(
      [1, 4, 6, 10, 100].map((target) => surgeOf(target, 0.25)),
      [1, 1, 2, 3, 25],
    );
    assert.deepEqual(
      [1, 10].map((target) => surgeOf(target, 2)),
      [2, 2],
    );
    assert.deepEqual(
      [3, 4, 10].map((target) => unavailableOf(target, { maxSurge: 1, maxUnavailable: 0.25 })),
      [0, 1, 2],
    );
    assert.deepEqual(steps({ version: V2, target: 10, replicas: many(10) }), ["create 3 surge"]);
    assert.deepEqual(steps({ version: V2, target: 1, replicas: many(1) }), ["create 1 surge"]);
  });

  it("lets nothing old go before as many new serve, ready alone being too little", () => {
    const readyOnly = replica("n0", { version: V2, isServing: false });
    assert.deepEqual(steps({ version: V2, replicas: [replica("o0"), readyOnly] }), []);
    const serving = replica("n0", { version: V2 });
    assert.deepEqual(steps({ version: V2, replicas: [replica("o0"), serving] }), ["leave o0 replaced"]);
  });

  it("goes on step by step: as many more as have left", () => {
    const replicas = [...many(2), ...many(2, { version: V2 }, "n"), replica("l", { desired: "leave" })];
    assert.deepEqual(steps({ version: V2, target: 4, replicas }), ["create 1 surge"]);
  });

  it("drains a leaving replica only once every router knows", () => {
    const leaving = replica("l", { desired: "leave" });
    assert.deepEqual(steps({ replicas: [replica("a"), leaving] }), []);
    assert.deepEqual(steps({ replicas: [replica("a"), { ...leaving, isUnlisted: true }] }), ["drain l unlisted"]);
  });

  it("stops outdated replicas that do not start at once, whatever serves", () => {
    const failing = replica("f", { ...starting, version: V2, isFailing: true });
    const pending = replica("p", { ...starting, version: V2, node: undefined });
    const got = steps({ version: V1, replicas: [replica("a"), failing, pending] });
    assert.deepEqual(got, ["stop f outdatedAndFailing", "forget p outdatedAndFailing"]);
  });

  it("takes one of a version that never passed its steps away at once, however few of the wanted one serve", () => {
    const unproven = replica("u", { version: V2, isUnproven: true });
    assert.deepEqual(steps({ version: V1, target: 2, replicas: [replica("a"), unproven] }), [
      "leave u unproven",
      "create 1 surge",
    ]);
  });

  it("keeps an outdated replica that crashed and is being restarted", () => {
    assert.deepEqual(
      steps({ version: V2, replicas: [replica("o", starting), replica("n", { ...starting, version: V2 })] }),
      [],
    );
  });

  it("removes everything of a deployment that nobody wants, and nothing while it is held", () => {
    const replicas = [replica("a"), replica("b", starting)];
    assert.deepEqual(steps({ version: undefined, target: 0, replicas }), ["stop b removed", "leave a removed"]);
    assert.deepEqual(steps({ version: undefined, target: 0, replicas, isHeld: true }), []);
  });

  it("stops nothing that was adopted while the controller has just started", () => {
    assert.deepEqual(steps({ target: 0, replicas: [replica("a", { isHeld: true })] }), []);
  });

  it("stops one that no release describes, because it cannot be told to drain", () => {
    const leaving = replica("l", { desired: "leave", isUnlisted: true, isUnknown: true });
    assert.deepEqual(steps({ replicas: [replica("a"), leaving] }), ["stop l unknown"]);
  });

  it("removes an outdated one that no release describes at once: its node can be told nothing while it has one", () => {
    const replicas = [replica("u", { isUnknown: true }), replica("p", { ...starting, version: V2 })];
    assert.deepEqual(steps({ version: V2, replicas }), ["leave u unknown"]);
  });
});

describe("where old and new do not fit side by side", () => {
  const pending = replica("p", { ...starting, version: V2, node: undefined });
  const replicas = [...many(2), pending];

  it("one old makes room after a wait, if that would help", () => {
    const input = { version: V2, target: 2, replicas };
    assert.deepEqual(steps(input, MAKE_ROOM_AFTER_MS - 1), []);
    assert.deepEqual(steps(input, MAKE_ROOM_AFTER_MS), ["leave o0 makesRoom"]);
    assert.deepEqual(steps({ ...input, wouldFitWithout: () => false }, MAKE_ROOM_AFTER_MS), []);
  });

  it("none makes room that is removed just now for another reason: nothing is removed twice", () => {
    const failing = replica("f", { ...starting, isFailing: true });
    const input = { version: V2, target: 1, replicas: [failing, pending] };
    assert.deepEqual(steps(input, MAKE_ROOM_AFTER_MS), ["stop f outdatedAndFailing"]);
  });

  it("the wait is one for the whole rollout, not one for each replica", () => {
    const first = replica("n", { version: V2 });
    const next = { ...pending, createdAt: MAKE_ROOM_AFTER_MS };
    const input = { version: V2, target: 2, replicas: [...many(1), first, next] };
    assert.deepEqual(steps(input, MAKE_ROOM_AFTER_MS), ["leave o0 makesRoom"]);
    const young = { ...input, replicas: [...many(1), { ...first, createdAt: 1 }, next] };
    assert.deepEqual(steps(young, MAKE_ROOM_AFTER_MS), []);
  });

  it("the next only makes room when the one before is gone and its place taken", () => {
    const leaving = replica("l", { desired: "drain" });
    assert.deepEqual(steps({ version: V2, target: 2, replicas: [...replicas, leaving] }, MAKE_ROOM_AFTER_MS), []);
    const started = replica("n", { ...starting, version: V2 });
    assert.deepEqual(steps({ version: V2, target: 3, replicas: [...replicas, started] }, MAKE_ROOM_AFTER_MS), []);
  });
});

describe("giving a version up", () => {
  it("follows when one of its replicas becomes ready and ends again and again", () => {
    const twice = [replica("a", { restarts: 2 }), replica("b")];
    assert.equal(givenUpReason(twice, V1), undefined);
    assert.match(givenUpReason([replica("a", { restarts: 3 }), replica("b")], V1) ?? "", /a ended 3 times after/);
  });

  const failing = (id: string, failedStarts: number, reason: string): RolloutReplica =>
    replica(id, { ...starting, version: V2, isFailing: true, failedStarts, reason });

  it("takes as many failed starts over all its replicas, and tells the first cause", () => {
    assert.equal(givenUpReason([failing("a", 1, "first"), failing("b", 1, "second")], V2), undefined);
    assert.equal(givenUpReason([failing("a", 1, "first"), failing("b", 2, "second")], V2), "first");
  });

  it("does not happen while one of its replicas is ready", () => {
    assert.equal(givenUpReason([failing("a", 9, "boom"), replica("b", { version: V2 })], V2), undefined);
  });

  it("says where to look when no cause was told", () => {
    assert.match(givenUpReason([failing("a", 9, "")], V2) ?? "", /serve logs/);
  });

  it("keeps two versions side by side at their counts, and lets a third one go", () => {
    const beside = { from: "v0" as Version, oldCount: 4, newCount: 1 };
    const old = many(3, { version: "v0" as Version });
    assert.deepEqual(steps({ target: 4, beside, replicas: old }), [
      "create 1 of v0 belowTarget",
      "create 1 belowTarget",
    ]);
    const third = replica("t", { version: "v9" as Version });
    const all = [...many(4, { version: "v0" as Version }), replica("n"), third];
    assert.deepEqual(steps({ target: 4, beside, replicas: all }), ["leave t replaced"]);
    const fewer = steps({
      target: 2,
      beside: { ...beside, oldCount: 2 },
      replicas: [...old, replica("n"), replica("m", { createdAt: 1 })],
    });
    assert.deepEqual(fewer, ["leave o0 aboveTarget", "leave m aboveTarget"]);
  });

  it("misses one where a share of few replicas leaves room for none to come or go", () => {
    const old = many(3, { version: V2 });
    assert.deepEqual(steps({ target: 3, maxSurge: 0, maxUnavailable: 0.25, replicas: old }), [
      "leave o0 replaced",
      "create 1 surge",
    ]);
  });

  it("may miss as many as maxUnavailable says", () => {
    const old = many(4, { version: "v0" as Version });
    const removed = steps({ target: 4, maxSurge: 0, maxUnavailable: 1, replicas: old });
    assert.deepEqual(removed, ["leave o0 replaced", "create 1 surge"]);
  });
});
