import assert from "node:assert/strict";
import { test } from "node:test";
import { createAvailableCheck } from "../../../../sim/check/available.ts";
import { createBatchItemsCheck } from "../../../../sim/check/batch-items.ts";
import { createBatchSizeCheck } from "../../../../sim/check/batch-size.ts";
import { createCapacityCheck } from "../../../../sim/check/capacity.ts";
import type { Check } from "../../../../sim/check/check.ts";
import { createConvergedCheck } from "../../../../sim/check/converged.ts";
import { createDrainCheck } from "../../../../sim/check/drain.ts";
import { createEndsOnceCheck } from "../../../../sim/check/ends-once.ts";
import { createOngoingCheck } from "../../../../sim/check/ongoing.ts";
import { createQueueCheck } from "../../../../sim/check/queue.ts";
import { createReasonCheck } from "../../../../sim/check/reason.ts";
import { createRunsOnceCheck } from "../../../../sim/check/runs-once.ts";
import { createTableVersionCheck } from "../../../../sim/check/table-version.ts";
import type { SimEvent } from "../../../../sim/event.ts";

/** Events are told from their bare fields, the brands do not matter here. */
function event(fields: Record<string, unknown>): SimEvent {
  return fields as unknown as SimEvent;
}

const DEPLOYMENT = { deployment: "a/M", version: "v1" };
const started = (request: string, more = {}) =>
  event({
    kind: "requestStarted",
    request,
    router: "p1",
    ...DEPLOYMENT,
    isIdempotent: false,
    timeoutMs: 1_000,
    ...more,
  });
const ended = (request: string, outcome = "ok") =>
  event({ kind: "requestEnded", request, router: "p1", ...DEPLOYMENT, outcome });
const invoked = (request: string, replica = "r1") =>
  event({ kind: "invoked", request, replica, ...DEPLOYMENT, isDraining: false });
const returned = (request: string, replica = "r1") => event({ kind: "returned", request, replica, outcome: "ok" });
const ordered = (replica: string, more = {}) =>
  event({
    kind: "replicaOrdered",
    replica,
    process: `process of ${replica}`,
    node: "n1",
    ...DEPLOYMENT,
    cpus: 1,
    gpus: 0,
    gpuIds: [],
    memoryBytes: 0,
    maxOngoingRequests: 1,
    ...more,
  });
const state = (replica: string, value: string) =>
  event({ kind: "replicaState", replica, process: `process of ${replica}`, ...DEPLOYMENT, state: value, reason: "" });
const applied = (version: number, replicas: readonly string[], epoch = 1) =>
  event({
    kind: "tableApplied",
    router: "p1",
    node: "n1",
    epoch,
    version,
    replicas: new Set(replicas),
    unnamed: new Set(),
    queues: new Map([["a/M", { most: 2, slots: 3 }]]),
  });

/** Feeds events at the given instants; what the check says of the last, or of the end. */
function verdict(check: Check, events: readonly (readonly [number, SimEvent])[]): string | undefined {
  let last = 0;
  for (const [at, one] of events) {
    last = at;
    const found = check.observe(at, one);
    if (found !== undefined) return found;
  }
  return check.atEnd(last);
}

test("ends-once finds a request that never ends, one that ends twice and one that ends late", () => {
  assert.equal(
    verdict(createEndsOnceCheck(), [
      [0, started("1")],
      [5, ended("1")],
    ]),
    undefined,
  );
  assert.match(verdict(createEndsOnceCheck(), [[0, started("1")]]) ?? "", /never ended/);
  assert.match(
    verdict(createEndsOnceCheck(), [
      [0, started("1")],
      [1, ended("1")],
      [2, ended("1")],
    ]) ?? "",
    /twice/,
  );
  assert.match(
    verdict(createEndsOnceCheck(), [
      [0, started("1")],
      [1_500, ended("1")],
    ]) ?? "",
    /after its deadline/,
  );
  const stop = (action: string) => event({ kind: "fault", fault: "stopProxy", target: "p1", action });
  const stopped = [
    [0, started("1")],
    [1, stop("begin")],
    [1_500, stop("end")],
    [1_510, ended("1")],
  ] as const;
  assert.equal(verdict(createEndsOnceCheck(), stopped), undefined);
});

test("runs-once finds a request that is not idempotent and ran twice, and an answer nobody gave", () => {
  const twice = [
    [0, started("1")],
    [1, invoked("1", "r1")],
    [2, invoked("1", "r2")],
  ] as const;
  assert.match(verdict(createRunsOnceCheck(), twice) ?? "", /not idempotent/);
  const idempotent = [[0, started("1", { isIdempotent: true })], ...twice.slice(1)] as const;
  assert.equal(verdict(createRunsOnceCheck(), idempotent), undefined);
  assert.match(
    verdict(createRunsOnceCheck(), [
      [0, started("1")],
      [1, ended("1")],
    ]) ?? "",
    /no replica answered/,
  );
});

test("ongoing finds one request too many in a replica, and one that is never given back", () => {
  const full = [
    [0, ordered("r1")],
    [1, invoked("1")],
  ] as const;
  assert.match(verdict(createOngoingCheck(), [...full, [2, invoked("2")]]) ?? "", /2 ongoing requests/);
  assert.equal(
    verdict(createOngoingCheck(), [...full, [2, returned("1")], [3, invoked("2")], [4, returned("2")]]),
    undefined,
  );
  assert.match(verdict(createOngoingCheck(), full) ?? "", /still has 1/);
});

test("capacity finds cores, memory and GPUs given away twice", () => {
  const check = () => createCapacityCheck(new Map([["n1", { cpus: 1, memoryBytes: 10, gpus: ["g0"], custom: {} }]]));
  assert.equal(verdict(check(), [[0, ordered("r1")]]), undefined);
  assert.match(
    verdict(check(), [
      [0, ordered("r1")],
      [1, ordered("r2")],
    ]) ?? "",
    /1 cpus, 2.00 are taken/,
  );
  const gone = event({ kind: "processEnded", process: "process of r1", node: "n1", reason: "" });
  assert.equal(
    verdict(check(), [
      [0, ordered("r1")],
      [1, gone],
      [2, ordered("r2")],
    ]),
    undefined,
  );
  const half = { cpus: 0, gpus: 0.5, gpuIds: ["g0"] };
  assert.equal(
    verdict(check(), [
      [0, ordered("r1", half)],
      [1, ordered("r2", half)],
    ]),
    undefined,
  );
  const third = [
    [0, ordered("r1", half)],
    [1, ordered("r2", half)],
    [2, ordered("r3", half)],
  ] as const;
  assert.match(verdict(check(), third) ?? "", /given away 1.50 times/);
  assert.match(verdict(check(), [[0, ordered("r1", { ...half, gpuIds: ["g7"] })]]) ?? "", /not there/);
  assert.match(verdict(check(), [[0, ordered("r1", { ...half, gpuIds: [] })]]) ?? "", /was given \[\]/);
  assert.match(verdict(check(), [[0, ordered("r1", { cpus: 0, memoryBytes: 11 })]]) ?? "", /memory/);
});

test("drain finds a request begun after a drain, and one sent by a router that had dropped the replica", () => {
  assert.match(
    verdict(createDrainCheck(), [
      [0, state("r1", "draining")],
      [1, invoked("1")],
    ]) ?? "",
    /acknowledged its drain/,
  );
  const dropped = [
    [0, applied(1, ["r1"])],
    [1, applied(2, [])],
    [1_500, started("1")],
    [2_100, invoked("1")],
  ] as const;
  assert.match(verdict(createDrainCheck(), dropped) ?? "", /left its table/);
  const onItsWay = [
    [0, applied(1, ["r1"])],
    [0, started("1")],
    [1, applied(2, [])],
    [2_100, invoked("1")],
  ] as const;
  assert.equal(verdict(createDrainCheck(), onItsWay), undefined);
});

test("queue finds more waiting than may, and what waits for ever", () => {
  const queued = (count: number) => event({ kind: "queued", router: "p1", deployment: "a/M", count });
  const arrival = [
    [0, applied(1, [])],
    [1, started("1")],
    [1, queued(3)],
  ] as const;
  assert.match(verdict(createQueueCheck(), arrival) ?? "", /maxQueuedRequests is 2/);
  assert.equal(
    verdict(createQueueCheck(), [
      [0, applied(1, [])],
      [1, queued(5)],
      [2, queued(0)],
    ]),
    undefined,
  );
  assert.match(
    verdict(createQueueCheck(), [
      [0, applied(1, [])],
      [1, queued(6)],
    ]) ?? "",
    /maxQueuedRequests is 2/,
  );
  assert.match(
    verdict(createQueueCheck(), [
      [0, applied(1, [])],
      [1, queued(1)],
    ]) ?? "",
    /still wait/,
  );
  assert.equal(
    verdict(createQueueCheck(), [
      [0, applied(1, [])],
      [1, queued(2)],
      [2, queued(0)],
    ]),
    undefined,
  );
});

test("table-version finds a router that goes back", () => {
  assert.match(
    verdict(createTableVersionCheck(), [
      [0, applied(2, [])],
      [1, applied(1, [])],
    ]) ?? "",
    /back to 1.1/,
  );
  assert.match(
    verdict(createTableVersionCheck(), [
      [0, applied(1, [], 2)],
      [1, applied(9, [], 1)],
    ]) ?? "",
    /back to 1.9/,
  );
  assert.equal(
    verdict(createTableVersionCheck(), [
      [0, applied(9, [], 1)],
      [1, applied(1, [], 2)],
    ]),
    undefined,
  );
});

test("reason finds a decision without one", () => {
  const decision = event({ kind: "decision", by: "controller", action: "stop", about: "r1", reason: " " });
  assert.match(verdict(createReasonCheck(), [[0, decision]]) ?? "", /without a reason/);
});

test("batch-size finds a batch that is too large, batch-items one with an item that should not be in it", () => {
  const batch = (...requests: string[]) => {
    const items = requests.map((request) => ({ request, leftMs: 10 }));
    return event({ kind: "batchRun", replica: "r1", items, maxBatchSize: 2 });
  };
  const late = event({ kind: "batchRun", replica: "r1", items: [{ request: "a", leftMs: -3 }], maxBatchSize: 2 });
  assert.match(verdict(createBatchSizeCheck(), [[0, batch("a", "b", "c")]]) ?? "", /batch of 3/);
  const items = (...events: readonly SimEvent[]): string =>
    verdict(
      createBatchItemsCheck(),
      events.map((each, at) => [at, each] as const),
    ) ?? "";
  assert.equal(items(invoked("a"), invoked("b"), batch("a", "b")), "");
  assert.match(items(invoked("a"), late), /3 ms after its deadline/);
  assert.match(items(invoked("a"), returned("a"), batch("a")), /has ended there/);
  assert.match(items(invoked("a", "r2"), batch("a")), /has ended there/);
  assert.match(items(invoked("a"), batch("a", "a")), /twice/);
});

test("converged finds too few, too many, the wrong version and what should be gone", () => {
  const deployed = event({
    kind: "deployed",
    application: "a",
    deployments: [{ id: "a/M", version: "v1", least: 1 }],
  });
  const ready = (replica: string) =>
    [
      [1, ordered(replica)],
      [2, state(replica, "ready")],
    ] as const;
  assert.equal(verdict(createConvergedCheck(), [[0, deployed], ...ready("r1")]), undefined);
  assert.match(verdict(createConvergedCheck(), [[0, deployed]]) ?? "", /too few/);
  assert.match(verdict(createConvergedCheck(), [[0, deployed], ...ready("r1"), ...ready("r2")]) ?? "", /too many/);
  assert.match(
    verdict(createConvergedCheck(), [
      [0, deployed],
      [1, ordered("r1")],
    ]) ?? "",
    /is starting/,
  );
  assert.match(verdict(createConvergedCheck(), [...ready("r1")]) ?? "", /still has a process/);
});

test("available finds a failed idempotent request only where a replica could have served it", () => {
  const deployed = event({ kind: "deployed", application: "a", deployments: [] });
  const usable = [
    [0, deployed],
    [0, ordered("r1")],
    [1, state("r1", "ready")],
    [2, applied(1, ["r1"])],
  ] as const;
  const request = started("1", { isIdempotent: true });
  const lost = [
    [5_000, request],
    [5_100, ended("1", "replica_lost")],
  ] as const;
  assert.match(verdict(createAvailableCheck(), [...usable, ...lost]) ?? "", /while r1 could serve it/);
  const deleteAsked = event({ kind: "deleteAsked", application: "a" });
  assert.equal(verdict(createAvailableCheck(), [...usable, [3, deleteAsked], ...lost]), undefined);
  const fault = (action: string) => event({ kind: "fault", fault: "pause", target: "process of r1", action });
  assert.equal(verdict(createAvailableCheck(), [...usable, [3, fault("begin")], ...lost]), undefined);
  assert.equal(
    verdict(createAvailableCheck(), [...usable, [3, fault("begin")], [4_900, fault("end")], ...lost]),
    undefined,
  );
  assert.equal(
    verdict(createAvailableCheck(), [...usable, [5_000, request], [5_100, ended("1", "handler_failed")]]),
    undefined,
  );
});
