import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../core/random.ts";
import type { TableUpdate } from "../../../core/table.ts";
import type { TableVersion } from "../../../proto/transport.ts";
import { ControllerLink } from "../../../worker/controller-link.ts";
import { FakeController } from "../../fake/fake-controller.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

const UPDATE: TableUpdate = { epoch: 1, version: 8, kind: "delta", baseVersion: 7, upserts: [], removals: [] };

function bed() {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const controller = new FakeController();
  const state = { known: undefined as TableVersion | undefined, isComplete: true, httpUrl: "" };
  const link = new ControllerLink({
    ...{ clock, log, random: seededRandom(1) },
    listener: {
      registration: () => ({
        ...{ node: "node-1" as never, incarnation: 1, epoch: 0, labels: {}, replicas: [] },
        resources: { cpus: 1, memoryBytes: 1, gpus: [], custom: {} },
      }),
      report: () => ({ httpUrl: state.httpUrl, reason: "", tableEpoch: 0, tableVersion: 0 }),
      onMessage() {},
      knownTable: () => state.known,
      onTable: () => state.isComplete,
    },
  });
  return { clock, log, controller, state, link };
}

test("a missing change asks for the whole table at once, on a new watch", async () => {
  const { clock, controller, state, link } = bed();
  state.known = { epoch: 1, version: 5 };
  link.start(controller);
  state.isComplete = false;
  controller.publish(UPDATE);
  await clock.advanceAsync(50);
  assert.deepEqual(controller.watches, [{ epoch: 1, version: 5 }, undefined]);
  state.isComplete = true;
  controller.publish({ ...UPDATE, kind: "snapshot" });
  controller.vanish();
  controller.isReachable = true;
  await clock.advanceAsync(50);
  assert.deepEqual(controller.watches.at(-1), { epoch: 1, version: 5 }, "afterwards it goes on from what it has");
});

test("while nobody answers the attempts become rare, and one warning is enough", async () => {
  const { clock, controller, log, link } = bed();
  controller.isReachable = false;
  let attempts = 0;
  const connect = controller.connect.bind(controller);
  controller.connect = (listener) => {
    attempts++;
    return connect(listener);
  };
  link.start(controller);
  await clock.advanceAsync(60_000);
  assert.ok(attempts > 30 && attempts < 80, `${attempts} attempts in a minute`);
  assert.equal(log.lines.filter(({ level }) => level === "warn").length, 1);
  assert.equal(link.send({ kind: "gone", replicas: [] }), false);
});

test("registration comes first on every connection, and a heartbeat only at once when it says something new", async () => {
  const { clock, controller, state, link } = bed();
  link.start(controller);
  assert.deepEqual(
    controller.heard.map(({ kind }) => kind),
    ["register", "heartbeat"],
  );
  link.reportChanged();
  assert.equal(controller.heard.length, 2);
  state.httpUrl = "http://127.0.0.1:1";
  link.reportChanged();
  assert.equal(controller.heard.length, 3);
  controller.vanish();
  controller.isReachable = true;
  await clock.advanceAsync(60);
  assert.deepEqual(
    controller.heard.slice(3).map(({ kind }) => kind),
    ["register", "heartbeat"],
  );
});

test("a closed link neither beats nor comes back", async () => {
  const { clock, controller, link } = bed();
  link.start(controller);
  link.close();
  await clock.advanceAsync(10_000);
  assert.equal(controller.heard.length, 2);
  assert.equal(clock.pendingCount, 0);
});
