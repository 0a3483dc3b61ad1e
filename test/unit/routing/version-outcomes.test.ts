import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CancelledError,
  DeadlineExceededError,
  DeploymentUnavailableError,
  HandlerError,
  InvalidRequestError,
  QueueFullError,
  ReplicaLostError,
  type ServeError,
} from "../../../core/error.ts";
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

/** Outcomes of requests that were sent at 0. */
function bed() {
  const outcomes = new VersionOutcomes();
  const send = (now = 0): object => {
    const request = {};
    outcomes.sent(request, V2, { arrivedAt: now, now });
    return request;
  };
  const failed = (error: ServeError, now = 100): void => outcomes.failed(send(), error, now);
  return { outcomes, send, failed };
}

test("what a client is told with 5xx fails, whoever said it; callers' mistakes are answers; cancellations are neither", () => {
  const { outcomes, send, failed } = bed();
  for (const status of [200, 404, 499, 500, 503]) outcomes.answered(send(), status, 1);
  assert.deepEqual(counts(outcomes.take(1)), [[V2, 5, 2]]);
  failed(new HandlerError("it threw"));
  failed(new HandlerError("not there", { details: { status: 404 } }));
  failed(new DeploymentUnavailableError("what it calls is not there"));
  failed(new QueueFullError("its batch is full"));
  failed(new ReplicaLostError("gone"));
  failed(new InvalidRequestError("not a number"));
  failed(new CancelledError("gone"));
  outcomes.left(send());
  const [load] = outcomes.take(100);
  assert.deepEqual([load?.answered, load?.failed, load?.firstError], [6, 4, "it threw"]);
  assert.deepEqual(outcomes.take(100), []);
});

test("a deadline counts where others had been answered well within as much time, not where a caller gave none", () => {
  const { outcomes, send, failed } = bed();
  outcomes.answered(send(), 200, 30);
  failed(new DeadlineExceededError("late"), 10);
  failed(new DeadlineExceededError("late"), 60);
  assert.deepEqual(counts(outcomes.take(60)), [[V2, 2, 1]]);
});

test("what does not end counts as slow once, long after everything else had ended, and as failed when it fails", () => {
  const { outcomes, send } = bed();
  outcomes.answered(send(), 200, 50);
  const hung = [send(), send()];
  assert.deepEqual(counts(outcomes.take(900)), [[V2, 1, 0]]);
  const [load] = outcomes.take(1_000);
  assert.deepEqual([load?.answered, load?.latencies[latencyBucket(1_000)]], [2, 2]);
  assert.deepEqual(outcomes.take(5_000), []);
  outcomes.failed(hung[0] ?? {}, new DeadlineExceededError("late"), 6_000);
  outcomes.answered(hung[1] ?? {}, 200, 6_000);
  assert.deepEqual(counts(outcomes.take(6_000)), [[V2, 0, 1]]);
});

test("a stream that broke off has failed, but was counted once", () => {
  const { outcomes, send } = bed();
  outcomes.answered(send(), 200, 1);
  outcomes.brokeOff(V2, new ReplicaLostError("gone"));
  outcomes.brokeOff(V2, new CancelledError("gone"));
  assert.deepEqual(counts(outcomes.take(1)), [[V2, 1, 1]]);
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
