import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { applyAction } from "../../controller/decide/apply-action.ts";
import { checkPlan } from "../../controller/decide/check-plan.ts";
import { type ClusterState, effectiveRelease, isReady, replicasOf } from "../../controller/decide/cluster.ts";
import { reconcile } from "../../controller/decide/reconcile.ts";
import { applyEvent } from "../../controller/state/cluster-state.ts";
import type { NodeId, ReplicaId, Version } from "../../core/ids.ts";
import { seededRandom } from "../../core/random.ts";
import type { ReplicaState } from "../../core/replica-state.ts";
import { tableEntries } from "../../controller/act/table-entries.ts";
import {
  applicationRecord,
  applicationSpec,
  clusterState,
  idOf,
  nodeRecord,
  nodeResources,
  replicaRecord,
  replicaReport,
} from "../fake/cluster-fixture.ts";

const NODES = ["n1", "n2", "n3"];
const VERSIONS = ["v1", "v2", "v9"];

const version = fc.constantFrom(...VERSIONS);
const anySpec = fc
  .record({
    version: fc.constantFrom("v1", "v2"),
    replicas: fc.integer({ min: 0, max: 5 }),
    gpus: fc.constantFrom(0, 0, 0.5, 1),
    most: fc.constantFrom(0, 0, 1, 2),
  })
  .map(({ version: v, replicas, gpus, most }) =>
    applicationSpec("app", {
      D: { version: v, replicas, resources: { gpus }, placement: { maxReplicasPerNode: most } },
    }),
  );
const anyReplica = fc.record({
  version,
  node: fc.constantFrom(...NODES, undefined),
  desired: fc.constantFrom("run", "run", "leave", "drain", "stop"),
  state: fc.constantFrom<ReplicaState>("starting", "ready", "ready", "draining", "failed"),
  failedStarts: fc.integer({ min: 0, max: 3 }),
  deployment: fc.constantFrom("D", "D", "D", "Removed"),
  isAdopted: fc.boolean(),
  isUnlisted: fc.boolean(),
});
const anyNode = fc.record({
  state: fc.constantFrom("live", "live", "suspect", "lost"),
  isConnected: fc.constantFrom(true, true, false),
  silentMs: fc.integer({ min: 0, max: 7_000 }),
  gpus: fc.integer({ min: 0, max: 2 }),
});

const NOW = 100_000;
const anyState = fc
  .record({
    specs: fc.array(anySpec, { minLength: 1, maxLength: 3 }),
    stable: fc.integer({ min: 0, max: 3 }),
    isDeleting: fc.constantFrom(false, false, false, true),
    hasFailed: fc.constantFrom(false, false, true),
    nodes: fc.tuple(anyNode, anyNode, anyNode),
    replicas: fc.array(anyReplica, { maxLength: 10 }),
    graceUntil: fc.constantFrom(0, NOW + 5_000),
  })
  .map(({ specs, stable, isDeleting, hasFailed, nodes, replicas, graceUntil }): ClusterState => {
    const failure = hasFailed ? { deployment: idOf("app", "D"), reason: "boom" } : undefined;
    const application = applicationRecord(specs, { stable: Math.min(stable, specs.length), isDeleting, failure });
    return clusterState(
      {
        applications: [application],
        nodes: nodes.map(({ state, isConnected, silentMs, gpus }, i) =>
          nodeRecord(NODES[i] ?? "", {
            state,
            isConnected,
            lastHeardAt: NOW - silentMs,
            resources: nodeResources({ gpus: Array.from({ length: gpus }, (_, g) => `g${g}`) }),
          }),
        ),
        replicas: replicas.map((given, i) => {
          const deployment = idOf("app", given.deployment);
          const report = replicaReport(`r${i}`, { state: given.state, failedStarts: given.failedStarts, deployment });
          return replicaRecord(`r${i}`, {
            deployment,
            version: given.version as Version,
            node: given.node as NodeId | undefined,
            desired: given.node === undefined ? "run" : given.desired,
            report: given.node === undefined ? undefined : report,
            isAdopted: given.isAdopted,
            unlisted: given.isUnlisted ? { version: 5, at: NOW - 10 } : undefined,
          });
        }),
      },
      { graceUntil },
    );
  });

/** A world in which workers do at once what they are told, and every router reads every table. */
function settle(state: ClusterState, now: number): ClusterState {
  const listed = new Set(tableEntries(state).flatMap((entry) => (entry.kind === "replica" ? [entry.id] : [])));
  let next = applyEvent(state, { kind: "tablePublished", version: 10, listed }, now);
  for (const node of next.nodes.values()) {
    const report = { httpUrl: "", reason: "", tableEpoch: 1, tableVersion: 10 };
    next = applyEvent(
      next,
      { kind: "nodeRegistered", registration: { ...node, node: node.id, replicas: ranOn(next, node.id), epoch: 1 } },
      now,
    );
    next = applyEvent(next, { kind: "nodeHeard", node: node.id, report }, now);
  }
  return next;
}

function ranOn(state: ClusterState, node: NodeId) {
  return [...state.replicas.values()]
    .filter((replica) => replica.node === node && (replica.desired === "run" || replica.desired === "leave"))
    .map(({ id, deployment, version: v, gpus }) =>
      replicaReport(id, { deployment, version: v, gpus, failedStarts: 0 }),
    );
}

describe("reconcile, for any state of a cluster", () => {
  it("never plans anything that breaks an invariant", () => {
    fc.assert(
      fc.property(anyState, fc.integer(), (state, seed) => {
        assert.deepEqual(checkPlan(state, reconcile(state, NOW, seededRandom(seed)), NOW), []);
      }),
      { numRuns: 1_000 },
    );
  });

  it("plans the same for the same state, time and seed", () => {
    fc.assert(
      fc.property(anyState, fc.integer(), (state, seed) => {
        assert.deepEqual(reconcile(state, NOW, seededRandom(seed)), reconcile(state, NOW, seededRandom(seed)));
      }),
      { numRuns: 100 },
    );
  });

  it("reaches what is wanted, as far as it fits, and then does nothing more", () => {
    fc.assert(
      fc.property(anyState, fc.integer(), (start, seed) => {
        const random = seededRandom(seed);
        let state = start;
        let now = NOW;
        let quiet = 0;
        for (let i = 0; i < 200 && quiet < 20; i++) {
          now += 1_000;
          state = settle(state, now);
          const actions = reconcile(state, now, random);
          assert.deepEqual(checkPlan(state, actions, now), []);
          for (const action of actions) state = applyAction(state, action, now);
          quiet = actions.length === 0 ? quiet + 1 : 0;
        }
        assert.ok(quiet >= 20, "it still changes things after 200 ticks");
        assertWanted(state);
      }),
      { numRuns: 200 },
    );
  });
});

function assertWanted(state: ClusterState): void {
  const [application] = state.applications.values();
  if (application === undefined) {
    assert.equal(state.replicas.size, 0);
    return;
  }
  assert.equal(application.isDeleting, false);
  const spec = effectiveRelease(application)?.spec.deployments[0];
  assert.ok(spec);
  const all = [...state.replicas.values()];
  const replicas = replicasOf(state, idOf("app", "D"));
  const pending = replicas.filter(({ node }) => node === undefined);
  const isFailedFirst = application.failure !== undefined && application.stable === 0;
  const wanted = isFailedFirst ? 0 : spec.options.numReplicas;
  const current = replicas.filter((replica) => replica.version === spec.version);
  if (pending.length === 0) {
    assert.equal(all.length, replicas.length, "a removed deployment is gone");
    assert.equal(current.length, wanted);
    assert.equal(replicas.length, current.length, "an outdated replica is gone");
    assert.ok(current.every(isReady));
  } else {
    // What does not fit is pending with a reason, and what serves is never fewer for it.
    assert.ok(pending.every((replica) => (replica.pending?.reason ?? "") !== ""));
    const ids = new Set<ReplicaId>(replicas.map(({ id }) => id));
    assert.equal(ids.size, replicas.length);
  }
}
