import assert from "node:assert/strict";
import { it } from "node:test";
import { DemandGauge } from "../../../../controller/act/demand-gauge.ts";
import type { Version } from "../../../../core/ids.ts";
import { MOST_DEMAND_SERIES } from "../../../../core/limits.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  replicaRecord,
} from "../../../fake/cluster-fixture.ts";

it("resources that are short are told of, and no more names of them than a scrape can bear", () => {
  const metrics = createMetrics();
  const gauge = new DemandGauge({ metrics });
  for (let i = 0; i < MOST_DEMAND_SERIES + 20; i++) {
    const spec = applicationSpec("app", { D: { resources: { cpus: 2, custom: { [`part-${i}`]: 1 } } } });
    const pending = { reason: "no node has it", nodes: [] };
    const deployment = idOf("app", "D");
    const replica = replicaRecord("r", { deployment, version: "v1" as Version, node: undefined, pending });
    gauge.observe(clusterState({ applications: [applicationRecord([spec])], replicas: [replica] }));
  }
  const series = metrics.samples().filter(({ name }) => name === "thornback_pending_resources");
  assert.equal(series.length, MOST_DEMAND_SERIES);
  assert.deepEqual(series.find(({ labels }) => labels["resource"] === "cpus")?.values, [2]);
});
