import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { DeploymentId, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import type { Answer, Question } from "../../core/question.ts";
import type { TableEntry, TableUpdate } from "../../core/table.ts";
import { ReplicaHarness } from "./replica-harness.ts";

const DEPLOYMENT = "app/Main" as DeploymentId;
const started: ReplicaHarness[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((harness) => harness.close()));
});

/** A ready replica of a version, whose `predict` says which it is. */
async function replicaOf(version: string, verify: string): Promise<ReplicaHarness> {
  const replica = new ReplicaHarness();
  started.push(replica);
  replica.replicaId = `app-Main-${version}`;
  replica.version = version;
  await replica.start();
  replica.order(`import { deployment } from "thornback";
class Main {
  async predict(input) { return "${version}: " + input; }
}
export default deployment(Main, {
  autoscaling: { policy: ({ ongoing, state = 0 }) => ({ target: ongoing + state, state: state + 1 }) },
  rollout: { verify: ${verify} },
}).bind();`);
  await replica.reported("ready");
  return replica;
}

async function entryOf(replica: ReplicaHarness): Promise<TableEntry> {
  const { address = assert.fail("no address"), maxOngoingRequests } = await replica.reported("ready");
  const [id, version] = [replica.replicaId as ReplicaId, replica.version as Version];
  const where = { node: "node-1" as NodeId, zone: "", weight: 1, address };
  return { kind: "replica", id, deployment: DEPLOYMENT, version, ...where, callSecret: "call", maxOngoingRequests };
}

async function tableOf(replicas: readonly ReplicaHarness[]): Promise<TableUpdate> {
  const limits = { maxQueuedRequests: 100, requestTimeoutMs: 5_000, maxRequestBodyBytes: 1e6, idempotent: false };
  return {
    ...{ epoch: 1, version: 1, kind: "snapshot", baseVersion: 0, removals: [] },
    upserts: [
      { kind: "deployment", id: DEPLOYMENT, availability: "available", reason: "", routing: "leastOngoing", ...limits },
      ...(await Promise.all(replicas.map(entryOf))),
    ],
  };
}

async function ask(replica: ReplicaHarness, id: string, question: Question): Promise<Answer> {
  replica.send({ kind: "ask", id, question });
  const answers = (): readonly Answer[] =>
    replica.messages.flatMap((message) => (message.kind === "answered" && message.id === id ? [message.answer] : []));
  await replica.until(() => answers().length > 0);
  return answers()[0] ?? assert.fail();
}

test("verify's handles reach the versions they name, and what it throws is the answer", async () => {
  const verify = `async ({ oldVersion, newVersion, signal }) => {
    const said = [];
    for (let i = 0; i < 8; i++) said.push(await oldVersion?.predict(i), await newVersion.with({ timeoutMs: 4000 }).predict(i));
    const wrong = said.filter((text, i) => text !== (i % 2 ? "new" : "old") + ": " + Math.floor(i / 2));
    if (wrong.length > 0) throw new RangeError("reached " + wrong.join());
    return { calls: said.length, aborted: Number(signal.aborted) };
  }`;
  const [before, after] = [await replicaOf("old", verify), await replicaOf("new", verify)];
  after.send({ kind: "table", update: await tableOf([before, after]) });
  const versions = { newVersion: "new" as Version, timeoutMs: 10_000 };
  const answer = await ask(after, "1-1", { kind: "verify", oldVersion: "old" as Version, ...versions });
  assert.deepEqual(answer, { kind: "verify", scores: { calls: 16, aborted: 0 } });
  const first = await ask(after, "1-2", { kind: "verify", oldVersion: "", ...versions });
  assert.match(first.kind === "failed" ? first.reason : "", /^`verify` threw RangeError: reached ,.*app\.mjs/);
});

test("a policy runs in the replica's process and keeps its state there", async () => {
  const replica = await replicaOf("new", "undefined");
  const figures = { target: 1, ready: 1, queued: 0, arrivedPerSecond: 3, utilisation: 0.5 };
  const question: Question = { kind: "policy", input: { ...figures, ongoing: 2, minReplicas: 1, maxReplicas: 4 } };
  assert.deepEqual(await ask(replica, "1-1", question), { kind: "policy", target: 2 });
  assert.deepEqual(await ask(replica, "1-2", question), { kind: "policy", target: 3 });
  const verify = { oldVersion: "" as const, newVersion: "new" as Version, timeoutMs: 1_000 };
  const answer = await ask(replica, "1-3", { kind: "verify", ...verify });
  assert.match(answer.kind === "failed" ? answer.reason : "", /no `verify`/);
});
