import assert from "node:assert/strict";
import path from "node:path";
import { after, test } from "node:test";
import { EXIT } from "../../cli/exit-code.ts";
import { assertNothingLeft, createProject, eventually, post, serve, spawnServe } from "./cluster.ts";

const APP = `import { deployment } from "thornback";
class Greeter {
  async predict(input: { name: string }) {
    console.log("greeting " + input.name);
    return { text: "hello " + input.name };
  }
}
export default deployment(Greeter).bind();
`;

const project = createProject({ "app.ts": APP });
after(() => project.remove());
const PORTS = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];

type Ready = { readonly applications: readonly { readonly name: string; readonly url: string }[] };

test("run shows what user code prints, deploys again on a change, survives a broken one, and begins anew next time", async () => {
  const running = spawnServe(["run", "app.ts", "--reload", "--json", ...PORTS], { cwd: project.dir });
  const said = (pattern: RegExp): Promise<true> =>
    eventually(() => (pattern.test(running.err()) ? true : undefined), 20_000);
  const { applications } = JSON.parse(await running.line(/^\{"(?!error")/)) as Ready;
  const url = applications[0]?.url ?? "";
  assert.deepEqual((await post(url, { name: "Ann" })).body, { text: "hello Ann" });
  await said(/^\[.*-greeter-.*\] greeting Ann \(request .+\)$/m);

  project.write("app.ts", APP.replace('"hello "', '"good day "'));
  await said(/: Greeter replaced/);
  assert.deepEqual((await post(url, { name: "Bo" })).body, { text: "good day Bo" });

  project.write("app.ts", `${APP}\nclass {`);
  await said(/error: app\.ts:10:\d+/);
  assert.deepEqual((await post(url, { name: "Cy" })).body, { text: "good day Cy" });

  project.write("app.ts", APP);
  await said(/(: Greeter replaced[^]*){2}/);
  assert.deepEqual((await post(url, { name: "Di" })).body, { text: "hello Di" });
  running.child.kill("SIGINT");
  assert.equal(await running.exited, 0, running.err());
  await assertNothingLeft({ pid: 0, dataDir: path.join(project.dir, ".thornback", "dev"), http: url });

  project.write("second/app.ts", APP);
  const next = spawnServe(["run", "second/app.ts", "--json", ...PORTS], { cwd: project.dir });
  const names = (JSON.parse(await next.line(/^\{"(?!error")/)) as Ready).applications.map((one) => one.name);
  assert.deepEqual(names, ["second"]);
  next.child.kill("SIGINT");
  assert.equal(await next.exited, 0, next.err());
});

test("a head in the background is started, found and ended by its data directory", async () => {
  const started = await serve(["start", "--detach", "--json", ...PORTS], { cwd: project.dir });
  assert.equal(started.code, 0, started.err);
  const report = JSON.parse(started.out) as { admin: string; pid: number; dataDir: string; http: string };
  const status = await serve(["status", "--address", report.admin], { cwd: project.dir });
  assert.equal(status.code, 0, status.err);
  assert.match(status.out, /no applications/);
  const ended = await serve(["shutdown", "--address", report.admin], { cwd: project.dir });
  assert.equal(ended.code, 0, ended.err);
  await assertNothingLeft(report);
});

test("a head in the background that cannot start passes its error and exit code on", async () => {
  const { code, err } = await serve(
    [
      "start",
      "--detach",
      ...PORTS,
      "--admin-host",
      "192.0.2.1",
      "--token-file",
      project.write("token", "0123456789abcdef"),
    ],
    {
      cwd: project.dir,
    },
  );
  assert.equal(code, EXIT.refused, err);
  assert.match(err, /192\.0\.2\.1/);
});
