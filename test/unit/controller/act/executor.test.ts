import assert from "node:assert/strict";
import { it } from "node:test";
import { DecisionLog } from "../../../../controller/act/decision-log.ts";
import { Executor } from "../../../../controller/act/executor.ts";
import { WorkerStreams } from "../../../../controller/act/worker-streams.ts";
import type { ApplicationRecord } from "../../../../controller/decide/cluster.ts";
import { type ClusterEvent, LiveState } from "../../../../controller/state/cluster-state.ts";
import { DesiredState } from "../../../../controller/state/desired-state.ts";
import type { ApplicationName } from "../../../../core/ids.ts";
import { applicationRecord, applicationSpec, clusterState } from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const SHOP = "shop" as ApplicationName;
const spec = (version: string) => applicationSpec("shop", { Model: { version } });
const PROMOTE = { kind: "promote", application: SHOP, generation: 1, reason: "serving" } as const;

async function setUp(record: ApplicationRecord) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const desired = new DesiredState({ log, store: new MemoryStore() });
  await desired.putApplication(record);
  const before = { ...clusterState(), applications: new Map([[SHOP, record]]) };
  const state = new LiveState(before, () => clock.now());
  let last: Promise<unknown> = Promise.resolve();
  const change = <T>(next: () => Promise<T>): Promise<T> => {
    const result = last.then(next);
    last = result.catch(() => undefined);
    return result;
  };
  const store = (application: ApplicationRecord): Promise<void> =>
    change(async () => {
      await desired.putApplication(application);
      state.apply({ kind: "applicationStored", application });
    });
  const executor = new Executor({
    log,
    desired,
    streams: new WorkerStreams({ clock }),
    decisions: new DecisionLog(clock),
    onNodeForgotten: () => {},
    onAskVerify: () => {},
    current: () => state.snapshot(),
    change,
  });
  const onEvent = (event: ClusterEvent): void => state.apply(event);
  return { before, state, desired, store, executor, onEvent };
}

it("a deploy that comes while an older release is promoted is not overwritten", async () => {
  const { before, state, desired, store, executor, onEvent } = await setUp(applicationRecord([spec("v1")]));
  const deployed = applicationRecord([spec("v1"), spec("v2")]);
  await Promise.all([store(deployed), executor.perform([PROMOTE], before, onEvent)]);
  assert.equal(state.snapshot().applications.get(SHOP)?.target, 2);
  assert.equal((await desired.load()).applications[0]?.target, 2);
});

it("an application that is deployed again while its deletion ends is kept", async () => {
  const deleting = { ...applicationRecord([spec("v1")]), isDeleting: true };
  const { before, desired, store, executor, onEvent } = await setUp(deleting);
  const drop = { kind: "dropApplication", application: SHOP, reason: "nothingLeft" } as const;
  const deployed = applicationRecord([spec("v1"), spec("v2")]);
  await Promise.all([store(deployed), executor.perform([drop], before, onEvent)]);
  assert.equal((await desired.load()).applications[0]?.target, 2);
});

it("an action that fits is stored and told", async () => {
  const { before, state, desired, executor, onEvent } = await setUp(applicationRecord([spec("v1")], { stable: 0 }));
  await executor.perform([PROMOTE], before, onEvent);
  assert.equal(state.snapshot().applications.get(SHOP)?.stable, 1);
  assert.equal((await desired.load()).applications[0]?.stable, 1);
});
