import assert from "node:assert/strict";
import { it } from "node:test";
import { DecisionLog } from "../../../../controller/act/decision-log.ts";
import { Executor } from "../../../../controller/act/executor.ts";
import { WorkerStreams } from "../../../../controller/act/worker-streams.ts";
import type { ApplicationRecord, ReplicaRecord } from "../../../../controller/decide/cluster.ts";
import { type ClusterEvent, LiveState } from "../../../../controller/state/cluster-state.ts";
import { DesiredState } from "../../../../controller/state/desired-state.ts";
import type { ApplicationName, NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { MemoryStore } from "../../../fake/memory-store.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const SHOP = "shop" as ApplicationName;
const spec = (version: string) => applicationSpec("shop", { Model: { version } });
const PROMOTE = { kind: "promote", application: SHOP, generation: 1, reason: "serving" } as const;

class Disk extends MemoryStore {
  isFull = false;

  override async put(key: string, value: string, expectRevision?: number): Promise<number> {
    if (this.isFull) throw new Error("ENOSPC: no space left on device");
    return super.put(key, value, expectRevision);
  }
}

async function setUp(record: ApplicationRecord, replicas: readonly ReplicaRecord[] = []) {
  const clock = new ManualClock();
  const log = new RecordingLog();
  const disk = new Disk();
  const desired = new DesiredState({ log, store: disk });
  await desired.putApplication(record);
  const before = clusterState({ applications: [record], replicas });
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
  const lost: NodeId[] = [];
  const executor = new Executor({
    log,
    desired,
    streams: new WorkerStreams({ clock }),
    decisions: new DecisionLog(clock),
    onNodeLost: (node) => void lost.push(node),
    onNodeForgotten: () => {},
    onAskVerify: () => {},
    current: () => state.snapshot(),
    change,
  });
  const onEvent = (event: ClusterEvent): void => state.apply(event);
  return { before, state, desired, store, executor, onEvent, disk, lost };
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

it("after an action that could not be stored nothing is taken from its application, and what it lacks is made", async () => {
  const [ours, theirs] = [idOf("shop", "Model"), idOf("other", "Model")];
  const replicas = [replicaRecord("old", { deployment: ours }), replicaRecord("o", { deployment: theirs })];
  const given = await setUp(applicationRecord([spec("v1")], { stable: 0 }), replicas);
  const { before, state, executor, onEvent, disk } = given;
  const leave = (replica: string) => ({ kind: "leave", replica: replica as ReplicaId, reason: "replaced" }) as const;
  const fresh = { replica: "new" as ReplicaId, deployment: ours, version: "v1" as Version };
  const plan = [
    PROMOTE,
    leave("old"),
    { kind: "create", ...fresh, reason: "surge" },
    { kind: "bind", replica: fresh.replica, node: "n1" as NodeId, gpus: [], reason: "spread" },
    leave("o"),
    { kind: "shift", deployment: ours, shift: undefined, reason: "over" },
  ] as const;
  disk.isFull = true;
  assert.equal(await executor.perform(plan, before, onEvent), 3);
  const after = state.snapshot();
  assert.deepEqual(
    [...after.replicas.values()].map(({ id, desired }) => [id, desired]),
    [
      ["old", "run"],
      ["o", "leave"],
      ["new", "run"],
    ],
  );
  disk.isFull = false;
  assert.equal(await executor.perform(plan, before, onEvent), 6);
});

it("what a node told is forgotten when it is taken for lost, not ten minutes later", async () => {
  const { before, executor, onEvent, lost } = await setUp(applicationRecord([spec("v1")]));
  const node = "n1" as NodeId;
  await executor.perform([{ kind: "markNode", node, state: "suspect", reason: "silent" }], before, onEvent);
  assert.deepEqual(lost, []);
  await executor.perform([{ kind: "markNode", node, state: "lost", reason: "silent" }], before, onEvent);
  assert.deepEqual(lost, [node]);
});
