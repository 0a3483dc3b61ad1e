import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withForgottenLoads, withLoads as changeOf } from "../../../../controller/decide/loads.ts";
import type { ClusterState } from "../../../../controller/decide/cluster.ts";
import type { Version } from "../../../../core/ids.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  replicaRecord,
  replicaReport,
} from "../../../fake/cluster-fixture.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const SCALES = idOf("app", "Scales");
const FIXED = idOf("app", "Fixed");

function state() {
  const spec = applicationSpec("app", { Scales: { options: { autoscaling: autoscalingSpec() } }, Fixed: {} });
  const replica = (id: string, utilisation: number, gpus: string[] = []) =>
    replicaRecord(id, {
      deployment: SCALES,
      gpus,
      report: { ...replicaReport(id, { deployment: SCALES }), utilisation },
    });
  const replicas = [
    replica("a", 0.5, ["gpu-0"]),
    replica("b", 0, ["gpu-1"]),
    replicaRecord("f", { deployment: FIXED }),
  ];
  return clusterState({ applications: [applicationRecord([spec])], replicas });
}

const withLoads = (before: ClusterState, look: Parameters<typeof changeOf>[1], now: number): ClusterState => ({
  ...before,
  ...changeOf(before, look, now),
});

const load = { deployment: SCALES, queued: 2, ongoingMean: 3, arrived: 10, answered: 8, versions: [] };

describe("what routers and replicas tell", () => {
  it("becomes a sample of every deployment that scales by itself, asked for or not", () => {
    const first = withLoads(state(), { loads: [load], ms: 500 }, 1_000);
    assert.deepEqual([...first.loads.keys()], [SCALES]);
    assert.deepEqual(first.loads.get(SCALES)?.samples, [
      { at: 1_000, ms: 500, ongoing: 3, queued: 2, arrived: 10, answered: 8, busy: 0.5, ready: 2 },
    ]);
    const second = withLoads(first, { loads: [], ms: 500 }, 1_500);
    assert.equal(second.loads.get(SCALES)?.samples.at(-1)?.ongoing, 0);
    assert.equal(second.loads.get(SCALES)?.lastActiveAt, 1_000);
  });

  it("adds to what is used: replicas, their GPUs, and the time they do nothing", () => {
    const used = withLoads(state(), { loads: [], ms: 2_000 }, 1_000).usage;
    assert.deepEqual(used.get(SCALES), { replicaSeconds: 4, gpuSeconds: 4, idleSeconds: 2 });
    assert.deepEqual(used.get(FIXED), { replicaSeconds: 2, gpuSeconds: 0, idleSeconds: 2 });
  });

  it("counts no replica as capacity that stands by after a switch, or is to be verified first", () => {
    const [v1, v2] = ["v1" as Version, "v2" as Version];
    const before = state();
    const next = replicaRecord("c", { deployment: SCALES, version: v2 });
    const replicas = new Map(before.replicas).set(next.id, next);
    const readyAt = (percent: number): number | undefined => {
      const shift = { from: v1, to: v2, percent, match: [], since: 0, outcomes: [] };
      const shifted = { ...before, replicas, shifts: new Map([[SCALES, shift]]) };
      return withLoads(shifted, { loads: [], ms: 500 }, 1_000).loads.get(SCALES)?.samples.at(-1)?.ready;
    };
    assert.deepEqual([readyAt(0), readyAt(50), readyAt(100)], [2, 3, 1]);
  });

  it("counts from anew after the process stood still", () => {
    const before = withLoads(state(), { loads: [load], ms: 500 }, 1_000);
    assert.equal(withForgottenLoads(before, 60_000).loads.get(SCALES)?.since, 60_000);
  });
});
