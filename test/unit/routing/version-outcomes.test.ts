import assert from "node:assert/strict";
import { test } from "node:test";
import { HandlerError, InvalidRequestError } from "../../../core/error.ts";
import type { Version } from "../../../core/ids.ts";
import { latencyBucket } from "../../../core/latency-histogram.ts";
import type { VersionLoad } from "../../../core/load.ts";
import { seededRandom } from "../../../core/random.ts";
import { DeadlineSweep } from "../../../routing/deadline-sweep.ts";
import { Router } from "../../../routing/router.ts";
import { VersionOutcomes } from "../../../routing/version-outcomes.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed, routerRequest } from "../../fake/routing-bed.ts";
import { deploymentEntry } from "../../fake/table.ts";

const V2 = "v2" as Version;
const TRAFFIC = { shares: [{ version: V2, percent: 100 }], rules: [] };

function counts(loads: readonly VersionLoad[]): (string | number)[][] {
  return loads.map(({ version, answered, failed }) => [version, answered, failed]);
}

test("what a version is to blame for fails; callers' mistakes are answers; refusals and cancellations are neither", () => {
  const outcomes = new VersionOutcomes();
  for (const status of [200, 404, 499, 500, 503]) outcomes.answered(V2, status, 1);
  assert.deepEqual(counts(outcomes.take()), [[V2, 5, 2]]);
  for (const code of ["handler_failed", "model_failed", "replica_lost", "deadline_exceeded", "internal"] as const) {
    outcomes.ended(V2, code, 1);
  }
  outcomes.ended(V2, "invalid_request", 1);
  for (const code of ["queue_full", "cancelled", "deployment_unavailable"] as const) outcomes.ended(V2, code, 1);
  assert.deepEqual(counts(outcomes.take()), [[V2, 6, 5]]);
  assert.deepEqual(outcomes.take(), []);
});

test("a stream that broke off has failed, but was counted once", () => {
  const outcomes = new VersionOutcomes();
  outcomes.answered(V2, 200, 1);
  outcomes.brokeOff(V2, "replica_lost");
  outcomes.brokeOff(V2, "cancelled");
  assert.deepEqual(counts(outcomes.take()), [[V2, 1, 1]]);
});

test("a router counts how requests of each version ended while they are divided, and not otherwise", async () => {
  const bed = new RoutingBed();
  const { clock, log, metrics, network } = bed;
  const replica = await bed.replica("r2", { version: V2, maxOngoingRequests: 4 });
  const deps = { clock, random: seededRandom(1), log, metrics, network, defer: queueMicrotask };
  const peers = { entryOf: () => undefined, send: () => Promise.reject(new Error("nobody")) };
  const shared = { deadlines: new DeadlineSweep(clock), meter: undefined, peers };
  const router = new Router(deps, shared, deploymentEntry());
  const send = (id: string, timeoutMs = 5_000): void =>
    void router.send(routerRequest(id, { deadlineAt: clock.now() + timeoutMs })).catch(() => {});

  router.update(deploymentEntry(), [replica.entry]);
  await settle();
  send("before");
  await settle();
  replica.handler.requests[0]?.answer("ok");
  await settle();
  assert.deepEqual(router.metered.takeVersions(), []);

  router.update(deploymentEntry({ traffic: TRAFFIC }), [replica.entry]);
  for (const id of ["a", "b", "c"]) send(id);
  send("late", 20);
  await settle();
  const [, a, b, c] = replica.handler.requests;
  await clock.advanceAsync(100);
  a?.answer("ok");
  b?.fail(new HandlerError("it threw"));
  c?.fail(new InvalidRequestError("not a number"));
  await settle();
  const loads = router.metered.takeVersions();
  assert.deepEqual(counts(loads), [[V2, 4, 2]]);
  assert.equal(loads[0]?.latencies[latencyBucket(100)], 3);
  assert.equal(
    loads[0]?.latencies.reduce((sum, count) => sum + count, 0),
    4,
  );
  router.close();
});
