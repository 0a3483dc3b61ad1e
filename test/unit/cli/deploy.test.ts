import assert from "node:assert/strict";
import { test } from "node:test";
import type { AdminClient } from "../../../cli/admin-client.ts";
import type { PutAnswer } from "../../../sdk/admin-client.ts";
import {
  applicationUrl,
  describeChanges,
  describeProgress,
  isUnchanged,
  putApplications,
  waitUntilRunning,
} from "../../../cli/deploy.ts";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import type {
  ApplicationStatus,
  ApplicationStatusView,
  ClusterStatus,
  ReplicaStatusView,
} from "../../../core/status.ts";
import { eagerClock } from "../../fake/eager-clock.ts";

const REPLICA: ReplicaStatusView = {
  id: "digits-1",
  nodeId: "node-1",
  pid: 7,
  state: "starting",
  version: "v2",
  ongoing: 0,
  provider: "",
  batches: [],
  utilisation: 0,
  health: "beating",
  restarts: 0,
  reason: "",
  gpus: [],
};

function view(status: ApplicationStatus, replica: Partial<ReplicaStatusView> = {}, reason = ""): ApplicationStatusView {
  const deployment = {
    name: "Classifier",
    status: status === "deploy_failed" ? ("deploy_failed" as const) : ("updating" as const),
    targetReplicas: 1,
    reason,
    replicas: [{ ...REPLICA, ...replica }],
    usage: { replicaSeconds: 0, gpuSeconds: 0, idleSeconds: 0 },
  };
  return { name: "digits", routePrefix: "/", status, version: "v", reason, deployments: [deployment] };
}

const PUT = { application: "digits", version: "v" };

function watching(views: readonly (ApplicationStatusView | undefined)[]): { run: Promise<void>; said: string[] } {
  const said: string[] = [];
  let at = 0;
  const application = (): Promise<ApplicationStatusView | undefined> =>
    Promise.resolve(views[Math.min(at++, views.length - 1)]);
  const client = { application } as unknown as AdminClient;
  return {
    run: waitUntilRunning(
      { client, clock: eagerClock(), progress: (text) => void said.push(text), awayPatienceMs: 0 },
      PUT,
    ),
    said,
  };
}

async function failureOf(run: Promise<void>): Promise<CliError> {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof CliError);
  return error;
}

test("waiting ends when the application runs, and says what it waited for", async () => {
  const { run, said } = watching([view("deploying", { reason: "loading ./digits.onnx" }), view("running")]);
  await run;
  assert.deepEqual(said, ["digits: deploying – Classifier 0/1 ready (loading ./digits.onnx)"]);
});

test("a failed deploy ends with 1, the deployment and its first cause, and says whether anything still serves", async () => {
  const failed = await failureOf(
    watching([view("deploy_failed", { state: "ready", version: "v1" }, "app.ts:3: no such model")]).run,
  );
  assert.equal(failed.exitCode, EXIT.failed);
  assert.match(failed.message, /deployment Classifier: app\.ts:3: no such model/);
  assert.match(failed.next, /served before still serves/);
  const first = await failureOf(watching([view("deploy_failed", { state: "failed" }, "boom")]).run);
  assert.doesNotMatch(first.next, /still serves/);
});

test("replicas that no node has room for are waited for a while, then told with the command that explains", async () => {
  const pending = view("deploying", { nodeId: "", pid: 0, reason: "needs gpus 1, most free 0" });
  const failure = await failureOf(watching([pending]).run);
  assert.match(failure.message, /digits\/Classifier is pending: needs gpus 1/);
  assert.match(failure.next, /thornback explain digits\/Classifier/);
});

test("a deploy that another one overtook has failed, although the application runs", async () => {
  const failure = await failureOf(watching([view("deploying"), { ...view("running"), version: "theirs" }]).run);
  assert.equal(failure.exitCode, EXIT.failed);
  assert.match(failure.message, /version v of application digits was replaced by theirs/);
});

test("an application that vanishes, or never gets healthy, ends the wait", async () => {
  assert.match((await failureOf(watching([undefined]).run)).message, /was deleted/);
  assert.match((await failureOf(watching([view("deploying")]).run)).message, /not healthy after 15 minutes/);
});

test("a controller that is away for a moment does not end a deploy, one that stays away does", async () => {
  const away = new CliError(EXIT.unavailable, "nothing answers");
  const answers = [view("deploying"), away, away, view("running")];
  const said: string[] = [];
  const deps = (list: readonly (ApplicationStatusView | CliError)[]): Parameters<typeof waitUntilRunning>[0] => {
    let at = 0;
    const application = async (): Promise<ApplicationStatusView> => {
      const answer = list[Math.min(at++, list.length - 1)];
      if (answer === undefined || answer instanceof CliError) throw answer ?? away;
      return answer;
    };
    const client = { application, address: "http://127.0.0.1:8265" } as unknown as AdminClient;
    return { client, clock: eagerClock(), progress: (text) => void said.push(text), awayPatienceMs: 15_000 };
  };
  await waitUntilRunning(deps(answers), PUT);
  assert.match(said.join("\n"), /waiting for the controller/);
  assert.equal((await failureOf(waitUntilRunning(deps([away]), PUT))).exitCode, EXIT.unavailable);
  const impatient = { ...deps(answers), awayPatienceMs: 0 };
  assert.equal((await failureOf(waitUntilRunning(impatient, PUT))).exitCode, EXIT.unavailable);
});

test("only blobs that the controller lacks are sent, all of them before the first application", async () => {
  const calls: string[] = [];
  const client = {
    hasBlob: (digest: string) => Promise.resolve(digest === "known"),
    putBlob: (digest: string) => Promise.resolve(void calls.push(`blob ${digest}`)),
    putApplication: (spec: { name: string }) => Promise.resolve(void calls.push(`application ${spec.name}`)),
  } as unknown as AdminClient;
  const blobs = ["known", "new-1", "new-2"].map((digest) => ({ digest, body: () => new Uint8Array(1) }));
  const application = { spec: { name: "digits" }, secrets: {} } as never;
  await putApplications(
    { client, clock: eagerClock(), progress() {}, awayPatienceMs: 0 },
    { applications: [application], blobs },
  );
  assert.deepEqual(calls, ["blob new-1", "blob new-2", "application digits"]);
});

test("the URL of an application is its prefix below a living node whose proxy answers", () => {
  const node = { id: "n", resources: { total: {}, allocated: {} }, labels: {}, replicas: 0, reason: "" };
  const status: ClusterStatus = {
    applications: [{ ...view("running"), routePrefix: "/digits" }],
    nodes: [
      { ...node, state: "lost", httpUrl: "http://10.0.0.1:8000" },
      { ...node, state: "live", httpUrl: "" },
      { ...node, state: "live", httpUrl: "http://10.0.0.3:8000" },
    ],
    controller: { self: "c", epoch: 1, leader: "c" },
    store: { problems: [] },
  };
  assert.equal(applicationUrl(status, "digits"), "http://10.0.0.3:8000/digits");
  assert.equal(applicationUrl(status, "other"), undefined);
});

test("changes are told by kind, and none at all as unchanged", () => {
  const none: PutAnswer = {
    application: "a",
    version: "v",
    changed: [],
    reconfigured: [],
    unchanged: ["A"],
    added: [],
    removed: [],
    hasOtherSecrets: false,
  };
  assert.equal(isUnchanged(none), true);
  assert.equal(describeChanges(none), "unchanged");
  assert.equal(describeChanges({ ...none, changed: ["B"], removed: ["C"] }), "B replaced; C removed; A unchanged");
  assert.equal(describeChanges({ ...none, routePrefix: "/b" }), "A unchanged; now under /b");
  assert.equal(describeChanges({ ...none, hasOtherAccess: true }), "A unchanged; other keys, limits or CORS");
  assert.match(describeChanges({ ...none, hasOtherSecrets: true }), /new secrets for replicas that start from now on/);
});

test("a first version that fails is not said to serve because another of its deployments is ready", async () => {
  const failed = view("deploy_failed", { state: "failed" }, "no such model");
  const ready = { ...failed.deployments[0], name: "Api", status: "healthy" as const, reason: "" };
  const both = [
    ...failed.deployments,
    {
      ...ready,
      usage: { replicaSeconds: 0, gpuSeconds: 0, idleSeconds: 0 },
      targetReplicas: 1,
      replicas: [{ ...REPLICA, state: "ready" as const }],
    },
  ];
  const failure = await failureOf(watching([{ ...failed, deployments: both }]).run);
  assert.doesNotMatch(failure.next, /still serves/);
});

test("progress counts as the controller does, which leaves out replicas of the version before", () => {
  assert.equal(
    describeProgress(view("deploying", { state: "ready", version: "v1" }, "0 of 1 replicas are ready; setup")),
    "digits: deploying – Classifier: 0 of 1 replicas are ready; setup",
  );
});

test("progress shows the first line of a reason only", () => {
  assert.equal(
    describeProgress(view("deploying", { reason: "first\nsecond" })),
    "digits: deploying – Classifier 0/1 ready (first)",
  );
});
