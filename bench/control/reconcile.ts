/**
 * What the control loop costs in a large cluster: a real controller, and workers that do at once what they are told, in
 * one process and in virtual time. Milliseconds are those of the processor; only convergence is in virtual time.
 *
 *   npm run bench:control -- [--nodes 1000] [--replicas 10000] [--deployments 1000] [--rounds 100] [--out FILE]
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { AssignmentSender } from "../../controller/act/assignments.ts";
import { TablePublisher } from "../../controller/act/table-publisher.ts";
import type { ClusterState } from "../../controller/decide/cluster.ts";
import { applyEvent } from "../../controller/state/cluster-state.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { type ClusterSize, LargeCluster, largeApplications } from "../../test/fake/large-cluster.ts";
import { root } from "../program.ts";
import { surroundings } from "../surroundings.ts";
import { formatVerdict, verdict } from "../verdict.ts";
import { measureDecisions, REPORTED, STEADY } from "./decisions.ts";
import { measure, type Timings } from "./timings.ts";
import { type Sent, updateBytes, WireBytes } from "./wire-bytes.ts";

const PROMISED_MS = 50;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    replicas: { type: "string", default: "10000" },
    deployments: { type: "string", default: "1000" },
    rounds: { type: "string", default: "100" },
    out: { type: "string", default: path.join(root, "bench/result/control.json") },
  },
});
const size: ClusterSize = {
  nodes: Number(values.nodes),
  replicas: Number(values.replicas),
  deployments: Number(values.deployments),
};
const rounds = Number(values.rounds);
if (!Object.values({ ...size, rounds }).every((value) => value >= 1)) {
  console.error("usage: bench:control [--nodes N] [--replicas N] [--deployments N] [--rounds N] [--out FILE]");
  process.exit(64);
}

const bytes = new WireBytes();
const cluster = await LargeCluster.start(size, bytes);
const deployed = await phase("deploy of everything", () => cluster.deploy(largeApplications(size)));
await cluster.pass(3_000);

const state = cluster.controller.snapshot();
const snapshot = tableOf(state);
const figures = [
  ...(await measureDecisions(state, cluster.now(), { size, rounds })),
  { name: "table and assignments after one replica's change", ms: await measurePublish() },
  { name: "tick of the controller after one replica's change", ms: await measureTick() },
];
bytes.take();
cluster.lose(Math.ceil(size.nodes / 10));
const lost = await phase("loss of 10 % of the nodes", () => cluster.converge());
print();

type Phase = { readonly name: string; readonly virtualMs: number; readonly processorMs: number; readonly sent: Sent };

async function phase(name: string, run: () => Promise<number>): Promise<Phase> {
  bytes.take();
  const startedAt = performance.now();
  const virtualMs = await run();
  return { name, virtualMs, processorMs: performance.now() - startedAt, sent: bytes.take() };
}

/** A new publisher's first table: what a router gets that knows none. */
function tableOf(state: ClusterState): { readonly entries: number; readonly bytes: number } {
  const publisher = new TablePublisher({ metrics: createMetrics(), epoch: state.epoch });
  publisher.publish(state);
  let found = { entries: 0, bytes: 0 };
  publisher.watch(undefined, (update) => (found = { entries: update.upserts.length, bytes: updateBytes(update) }))();
  return found;
}

/** One replica is another process; every node's assignment is looked at, none of which changes. */
function measurePublish(): Promise<Timings> {
  const publisher = new TablePublisher({ metrics: createMetrics(), epoch: state.epoch });
  const sender = new AssignmentSender(state.epoch);
  const publish = (given: ClusterState): void => {
    publisher.publish(given);
    for (const node of given.nodes.keys()) {
      sender.untold(given, node);
      sender.next(given, node);
    }
  };
  publish(state);
  const changed = (round: number): ClusterState => {
    const [replica] = [...state.replicas.values()].slice(round % state.replicas.size);
    if (replica?.node === undefined || replica.report === undefined) return state;
    const reports = [{ ...replica.report, callSecret: String(round) }];
    return applyEvent(state, { kind: "replicasReported", node: replica.node, reports }, cluster.now());
  };
  return measure(rounds, changed, publish);
}

/** From the report to the table that every node has got. */
function measureTick(): Promise<Timings> {
  const report = async (round: number): Promise<void> => {
    const worker = cluster.workers[round % cluster.workers.length];
    const [id] = worker?.replicas.keys() ?? [];
    if (id !== undefined) worker?.report(id, { callSecret: String(round) });
    await cluster.settle();
  };
  return measure(rounds, (round) => round, report);
}

function print(): void {
  const rows = figures.map(({ name, ms }) => [
    name,
    ...[ms.median, ms.p99, ms.min, ms.max].map((value) => value.toFixed(2)),
    String(ms.rounds),
  ]);
  console.log(table([["milliseconds", "median", "p99", "min", "max", "rounds"], ...rows]));
  const header = ["", "virtual ms", "ms", "table updates", "entries", "KiB to each node", "assignments", "KiB of all"];
  const phases = [deployed, lost].map(({ name, virtualMs, processorMs, sent }) => [
    name,
    ...[virtualMs, Math.round(processorMs), sent.updates, sent.changes, kib(sent.updateBytes)].map(String),
    ...[sent.assignments, kib(sent.assignmentBytes)].map(String),
  ]);
  console.log(`\n${table([header, ...phases])}`);
  console.log(`\nthe whole table has ${snapshot.entries} entries, ${kib(snapshot.bytes)} KiB`);
  const promises = [STEADY, REPORTED].map((promised) => {
    const median = figures.find(({ name }) => name === promised)?.ms.median ?? Number.NaN;
    return verdict(`${promised}: median ≤ ${PROMISED_MS} ms`, median, { most: PROMISED_MS });
  });
  console.log(`\n${table(promises.map(formatVerdict))}`);
  const options = { ...size, rounds };
  const report = { ...surroundings(), options, figures, phases: [deployed, lost], table: snapshot, promises };
  writeFileSync(values.out, `${JSON.stringify(report, undefined, 1)}\n`);
}

function kib(count: number): number {
  return Math.round(count / 1_024);
}
