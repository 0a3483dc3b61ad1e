import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import { EXIT } from "../../cli/exit-code.ts";
import { assertNothingLeft, createProject, processesOf, serve, spawnServe, startCluster } from "./cluster.ts";

const project = createProject({
  "app.ts":
    'import { deployment } from "thornback";\nexport default deployment(class Echo { predict(input: unknown) { return input; } }).bind();\n',
  token: "a-token-that-is-long-enough\n",
  wrong: "another-token-of-some-length\n",
});
after(() => project.remove());

const FREE_PORTS = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];

test("an unknown command or flag, and a value that is none, end with 64", async () => {
  for (const args of [
    ["bogus"],
    ["status", "--bogus"],
    ["start", "--http-port", "x"],
    ["deploy"],
    ["start", "--resources", "cpus=many"],
  ]) {
    const { code, err } = await serve(args, { cwd: project.dir });
    assert.equal(code, EXIT.usage, `${args.join(" ")}: ${err}`);
  }
});

test("nothing at the address ends with 69 in one line and a next step", async () => {
  const { code, err } = await serve(["status", "--address", "http://127.0.0.1:1"], { cwd: project.dir });
  assert.equal(code, EXIT.unavailable);
  assert.match(err, /^error: nothing answers at http:\/\/127\.0\.0\.1:1 .*\n +start a cluster/);
});

test("with CI set, a deploy that finds no head ends with 69 and starts nothing", async () => {
  const { code, err } = await serve(["deploy", "app.ts", "--admin-port", "1"], {
    cwd: project.dir,
    env: { CI: "true" },
  });
  assert.equal(code, EXIT.unavailable);
  assert.match(err, /--local/);
  assert.deepEqual(processesOf(project.dir), []);
});

test("a plan that finds no head ends with 69 and starts nothing", async () => {
  const { code, err } = await serve(["deploy", "app.ts", "--plan", "--admin-port", "1"], { cwd: project.dir });
  assert.equal(code, EXIT.unavailable);
  assert.match(err, /nothing to compare with/);
  assert.deepEqual(processesOf(project.dir), []);
});

test("a public admin port without a token ends with 78 before anything is started", async () => {
  const { code, err } = await serve(["start", "--admin-host", "0.0.0.0", ...FREE_PORTS], { cwd: project.dir });
  assert.equal(code, EXIT.refused);
  assert.match(err, /--token-file/);
});

test("a taken port ends with 69, naming port and flag, and everything else ends too", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = String((server.address() as AddressInfo).port);
  for (const flag of ["--admin-port", "--grpc-port", "--http-port"]) {
    const dataDir = path.join(project.dir, `data${flag}`);
    const args = ["start", "--data-dir", dataDir, ...FREE_PORTS, flag, port];
    const { code, err } = await serve(args, { cwd: project.dir });
    assert.equal(code, EXIT.unavailable, `${flag}: ${err}`);
    assert.match(err, new RegExp(port));
    assert.match(err, new RegExp(flag));
    assert.deepEqual(processesOf(dataDir), []);
  }
  server.close();
});

test("without the token, or with a wrong one, a command ends with 77; with it, it works", async () => {
  const token = path.join(project.dir, "token");
  const cluster = await startCluster(["--token-file", token]);
  try {
    const none = await cluster.serve(["status"]);
    assert.equal(none.code, EXIT.notAllowed, none.err);
    const wrong = await cluster.serve(["status", "--token-file", path.join(project.dir, "wrong")]);
    assert.equal(wrong.code, EXIT.notAllowed, wrong.err);
    const right = await cluster.serve(["status", "--json", "--token-file", token]);
    assert.equal(right.code, 0, right.err);
  } finally {
    await cluster.close();
  }
});

test("a data directory in use ends with 78 and leaves its cluster alone", async () => {
  const cluster = await startCluster();
  try {
    const second = await serve(["start", "--data-dir", cluster.dataDir, ...FREE_PORTS], { cwd: project.dir });
    assert.equal(second.code, EXIT.refused, second.err);
    assert.match(second.err, new RegExp(`in use by the cluster of process ${String(cluster.pid)}`));
    assert.equal((await cluster.serve(["status"])).code, 0);
  } finally {
    await cluster.close();
  }
});

test("run ends with 130 when it is interrupted before it is ready, and with 0 after", async () => {
  const dataDir = path.join(project.dir, "run-data");
  const args = ["run", "app.ts", "--data-dir", dataDir, ...FREE_PORTS, "--json"];
  const early = spawnServe(args, { cwd: project.dir });
  while (processesOf(dataDir).length < 2) await new Promise((resolve) => setImmediate(resolve));
  early.child.kill("SIGINT");
  assert.equal(await early.exited, EXIT.interrupted, early.err());
  assert.deepEqual(processesOf(dataDir), []);

  const late = spawnServe(args, { cwd: project.dir });
  const { applications } = JSON.parse(await late.line(/^\{"(?!error")/)) as { applications: { url: string }[] };
  late.child.kill("SIGINT");
  assert.equal(await late.exited, 0, late.err());
  await assertNothingLeft({ pid: 0, dataDir, http: applications[0]?.url ?? "" });
});
