import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { isAlive } from "../../cli/data-dir.ts";
import { EXIT } from "../../cli/exit-code.ts";
import {
  assertNothingLeft,
  createProject,
  freePort,
  type getStatus,
  post,
  replicaPids,
  serve,
  startCluster,
  type TestCluster,
} from "./cluster.ts";

/** An application whose answer tells which version gave it. */
function appText(answer: string): string {
  return `
import { deployment } from "thornback";
class Greeter {
  async predict(input: { name: string }) {
    return { text: "${answer} " + input.name };
  }
}
export default deployment(Greeter, { numReplicas: 2 }).bind();
`;
}

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster();
});
after(() => cluster.close());

test("a deploy waits until it is healthy and prints the URL, and nothing else, on standard output", async () => {
  cluster.project.write("greeter/app.ts", appText("hello"));
  const deployed = await cluster.serve(["deploy", "greeter/app.ts", "--route-prefix", "/greeter"]);
  assert.equal(deployed.code, 0, deployed.err);
  assert.equal(deployed.out, `${cluster.http}/greeter\n`);
  const answer = await post(deployed.out.trim(), { name: "Ann" });
  assert.deepEqual(answer, { ...answer, status: 200, body: { text: "hello Ann" } });
});

test("an identical deploy says so and keeps every process", async () => {
  const pids = await replicaPids(cluster.admin ?? "");
  const again = await cluster.serve(["deploy", "greeter/app.ts", "--route-prefix", "/greeter"]);
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /greeter: unchanged/);
  assert.deepEqual(await replicaPids(cluster.admin ?? ""), pids);
});

test("flags that only the start of a cluster could obey are said to be ignored", async () => {
  const deploy = ["deploy", "greeter/app.ts", "--route-prefix", "/greeter"];
  const { code, err } = await cluster.serve([...deploy, "--http-port", "1", "--proxies", "2"]);
  assert.equal(code, 0, err);
  assert.match(err, /--http-port, --proxies are ignored: the cluster at http:\/\/\S+ keeps what it was started with/);
  const { port } = new URL(cluster.http);
  assert.doesNotMatch((await cluster.serve([...deploy, "--http-port", port])).err, /ignored/);
});

test("a plan says what would change and changes nothing", async () => {
  const pids = await replicaPids(cluster.admin ?? "");
  cluster.project.write("greeter/app.ts", appText("good day"));
  const plan = await cluster.serve(["deploy", "greeter/app.ts", "--route-prefix", "/greeter", "--plan"]);
  assert.equal(plan.code, 0, plan.err);
  assert.match(plan.err, /greeter: would be: Greeter replaced/);
  assert.deepEqual(await replicaPids(cluster.admin ?? ""), pids);
});

test("a changed deploy answers with the new version as soon as the command ends", async () => {
  const deployed = await cluster.serve(["deploy", "greeter/app.ts", "--route-prefix", "/greeter", "--json"]);
  assert.equal(deployed.code, 0, deployed.err);
  const { applications } = JSON.parse(deployed.out) as { applications: { url: string; changed: string[] }[] };
  assert.deepEqual(applications[0]?.changed, ["Greeter"]);
  for (let i = 0; i < 4; i++)
    assert.deepEqual((await post(applications[0]?.url ?? "", { name: "Bo" })).body, { text: "good day Bo" });
});

test("status has the shape that scripts rely on, and a text for people", async () => {
  const json = JSON.parse((await cluster.serve(["status", "--json"])).out) as Awaited<ReturnType<typeof getStatus>>;
  const [application] = json.applications;
  assert.deepEqual(
    [
      application?.name,
      application?.routePrefix,
      application?.status,
      application?.deployments[0]?.name,
      application?.deployments[0]?.status,
    ],
    ["greeter", "/greeter", "running", "Greeter", "healthy"],
  );
  assert.equal(json.nodes[0]?.httpUrl, cluster.http);
  assert.equal(json.controller.self, json.controller.leader);
  const text = (await cluster.serve(["status"])).out;
  assert.match(text, /greeter +running +http:\/\/127\.0\.0\.1:\d+\/greeter/);
  assert.match(text, /Greeter +healthy +2\/2 ready/);
});

test("a prefix that another application owns is refused and both are named", async () => {
  cluster.project.write("other/app.ts", appText("other"));
  const refused = await cluster.serve(["deploy", "other/app.ts", "--route-prefix", "/greeter"]);
  assert.equal(refused.code, EXIT.failed);
  assert.match(refused.err, /other/);
  assert.match(refused.err, /greeter/);
});

test("serve.yaml overrides options of the code, and a wrong one is refused with everything that is wrong", async () => {
  cluster.project.write(
    "other/serve.yaml",
    "import: ./app.ts\nroutePrefix: /other\ndeployments:\n  Greeter:\n    numReplicas: ${REPLICAS:-1}\n",
  );
  const deployed = await cluster.serve(["deploy", "other/serve.yaml"]);
  assert.equal(deployed.code, 0, deployed.err);
  const { applications } = await cluster.status();
  assert.equal(applications.find((one) => one.name === "other")?.deployments[0]?.targetReplicas, 1);
  cluster.project.write("other/serve.yaml", "import: ./app.ts\nroute: /x\ndeployments:\n  Greeter:\n    replicas: 1\n");
  const refused = await cluster.serve(["deploy", "other/serve.yaml"]);
  assert.equal(refused.code, EXIT.refused);
  assert.match(refused.err, /route is not known here/);
});

test("explain, logs and delete say what they are about, and what is not there", async () => {
  const explained = await cluster.serve(["explain", "other/Greeter"]);
  assert.equal(explained.code, 0, explained.err);
  assert.match(explained.out, /^other\/Greeter: healthy, target 1/);
  const ambiguous = await cluster.serve(["explain", "Greeter"]);
  assert.match(ambiguous.err, /several applications have a deployment Greeter/);
  assert.equal((await cluster.serve(["logs", "other/Greeter"])).code, 0);
  const unknown = await cluster.serve(["logs", "other/Nobody"]);
  assert.equal(unknown.code, EXIT.failed);
  assert.match(unknown.err, /no deployment or application other\/Nobody/);
  assert.equal((await cluster.serve(["delete", "other"])).code, 0);
  assert.equal(
    (await cluster.status()).applications.some((one) => one.name === "other"),
    false,
  );
  const missing = await cluster.serve(["delete", "other"]);
  assert.equal(missing.code, EXIT.failed);
  assert.match(missing.err, /no application "other"/);
});

test("what user code prints is in the logs, labelled by its replica", async () => {
  const text = appText("x").replace("return", 'console.log("greeting " + input.name); return');
  cluster.project.write("talker/app.ts", text);
  const deployed = await cluster.serve(["deploy", "talker/app.ts", "--route-prefix", "/talker"]);
  assert.equal(deployed.code, 0, deployed.err);
  await post(deployed.out.trim(), { name: "Cy" });
  const logs = await cluster.serve(["logs", "talker"]);
  assert.match(logs.out, /^\[talker[^\]]*\] greeting Cy \(request .+\)$/m);
});

test("with nothing running a deploy starts a local head and says so; shutdown leaves only the data directory", async () => {
  const project = createProject({ "app.ts": appText("local") });
  const adminPort = String(await freePort());
  const here = { cwd: project.dir };
  const ports = ["--http-port", "0", "--admin-port", adminPort, "--grpc-port", "0"];
  const dataDir = path.join(project.dir, ".thornback");
  try {
    const deployed = await serve(["deploy", "app.ts", "--name", "local", ...ports], here);
    assert.equal(deployed.code, 0, deployed.err);
    assert.match(deployed.err, /starting a local head in the background/);
    assert.deepEqual((await post(deployed.out.trim(), { name: "Di" })).body, { text: "local Di" });
    const { pid } = JSON.parse(readFileSync(path.join(dataDir, "run", "supervisor.json"), "utf8")) as { pid: number };
    const again = await serve(["deploy", "app.ts", "--name", "local", ...ports], here);
    assert.equal(again.code, 0, again.err);
    assert.match(again.err, /^local: unchanged\n$/m);
    assert.doesNotMatch(again.err, /starting a local head/);
    const ended = await serve(["shutdown", "--admin-port", adminPort], here);
    assert.equal(ended.code, 0, ended.err);
    await assertNothingLeft({ pid, dataDir, admin: `http://127.0.0.1:${adminPort}`, http: deployed.out.trim() });
    assert.equal(isAlive(pid), false);
    assert.deepEqual(readdirSync(project.dir).sort(), [".thornback", "app.ts"]);
  } finally {
    await serve(["shutdown", "--admin-port", adminPort], here);
    project.remove();
  }
});

test("two deploys at once, with nothing running, share the one head that starts", async () => {
  const project = createProject({ "a/app.ts": appText("a"), "b/app.ts": appText("b") });
  const adminPort = String(await freePort());
  const here = { cwd: project.dir };
  const ports = ["--http-port", "0", "--admin-port", adminPort, "--grpc-port", "0"];
  try {
    const deploys = ["a", "b"].map((name) =>
      serve(["deploy", `${name}/app.ts`, "--route-prefix", `/${name}`, ...ports], here),
    );
    for (const { code, err } of await Promise.all(deploys)) assert.equal(code, 0, err);
  } finally {
    await serve(["shutdown", "--admin-port", adminPort], here);
    project.remove();
  }
});
