/** What decisions cost in a large cluster: pure functions on states of it. */
import { checkPlan } from "../../controller/decide/check-plan.ts";
import { deploy } from "../../controller/decide/deploy.ts";
import { type ClusterState, isReady } from "../../controller/decide/cluster.ts";
import { reconcile } from "../../controller/decide/reconcile.ts";
import { applyEvent, type ClusterEvent } from "../../controller/state/cluster-state.ts";
import { NODE_LOST_AFTER_MS } from "../../core/limits.ts";
import { seededRandom } from "../../core/random.ts";
import { type ClusterSize, largeApplications } from "../../test/fake/large-cluster.ts";
import { measure, type Timings } from "./timings.ts";

/** A figure's name, and what it is. */
export type DecisionFigure = { readonly name: string; readonly ms: Timings };

/** Names of figures that something is promised of. */
export const STEADY = "reconcile, nothing to do";
export const REPORTED = "reconcile after one replica's report";

/** Rounds of what takes long are fewer by this. */
const FEWER = 10;

/** Decisions on `state`, in which everything serves, at `now`. */
export async function measureDecisions(
  state: ClusterState,
  now: number,
  { size, rounds }: { readonly size: ClusterSize; readonly rounds: number },
): Promise<readonly DecisionFigure[]> {
  const random = seededRandom(1);
  const decide = (given: ClusterState): unknown => reconcile(given, now, random);
  const after = (event: ClusterEvent) => (): ClusterState => applyEvent(state, event, now);
  const few = Math.max(3, Math.round(rounds / FEWER));

  const empty: ClusterState = { ...state, replicas: new Map(), targets: new Map() };
  const first = reconcile(empty, now, random);
  return [
    { name: STEADY, ms: await measure(rounds, () => state, decide) },
    // Nothing of the state before is of use: every index is made anew.
    { name: REPORTED, ms: await measure(rounds, (round) => reported(state, round, now), decide) },
    {
      name: "taking in one replica's report",
      ms: await measure(
        rounds,
        (round) => round,
        (round) => reported(state, round, now),
      ),
    },
    { name: "reconcile after one deploy", ms: await measure(rounds, after(redeploy(state, size)), decide) },
    { name: "reconcile after the loss of 10 % of the nodes", ms: await measure(few, () => silent(state, now), decide) },
    {
      name: "reconcile that makes and places every replica",
      ms: await measure(few, () => ({ ...empty, replicas: new Map() }), decide),
    },
    {
      name: "check of that plan",
      ms: await measure(
        few,
        () => empty,
        (given) => checkPlan(given, first, now),
      ),
    },
  ];
}

function reported(state: ClusterState, round: number, now: number): ClusterState {
  const replicas = [...state.replicas.values()].filter(isReady);
  const replica = replicas[round % replicas.length];
  if (replica?.node === undefined || replica.report === undefined) throw new Error("no replica is ready");
  const reports = [{ ...replica.report, ongoing: round }];
  return applyEvent(state, { kind: "replicasReported", node: replica.node, reports }, now);
}

function redeploy(state: ClusterState, size: ClusterSize): ClusterEvent {
  const [spec] = largeApplications(size, "v2");
  if (spec === undefined) throw new Error("there is no application");
  const { record } = deploy(state.applications.get(spec.name), { spec, secrets: {} });
  if (record === undefined) throw new Error("the deploy changes nothing");
  return { kind: "applicationStored", application: record };
}

/** Every tenth node was heard last when it is lost now. */
function silent(state: ClusterState, now: number): ClusterState {
  const nodes = [...state.nodes.values()].map((node, i) =>
    i % 10 === 0 ? { ...node, lastHeardAt: now - NODE_LOST_AFTER_MS } : node,
  );
  return { ...state, nodes: new Map(nodes.map((node) => [node.id, node])) };
}
