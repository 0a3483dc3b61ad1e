/** Whoever keeps the processes may die at any moment; then everything it kept ends by itself. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import { createProject, eventually, post, processesOf, spawnServe } from "../integration/cluster.ts";

const project = createProject({
  "app.ts": `import { deployment } from "thornback";
export default deployment(class Echo { async predict(input: unknown) { return input; } }).bind();
`,
});
const dataDir = path.join(project.dir, "data");
const args = [
  "run",
  "app.ts",
  "--json",
  "--data-dir",
  dataDir,
  "--http-port",
  "0",
  "--admin-port",
  "0",
  "--grpc-port",
  "0",
];
after(() => {
  for (const { pid } of processesOf(project.dir)) process.kill(pid, "SIGKILL");
  project.remove();
});

async function run(): Promise<{ kill(signal: NodeJS.Signals): void; exited: Promise<unknown>; url: string }> {
  const running = spawnServe(args, { cwd: project.dir });
  const { applications } = JSON.parse(await running.line(/^\{"(?!error")/)) as { applications: { url: string }[] };
  return { kill: (signal) => void running.child.kill(signal), exited: running.exited, url: applications[0]?.url ?? "" };
}

function refuses(url: string): Promise<true | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", () => resolve(true));
  });
}

test("a killed serve run leaves no process and no port within five seconds, and the next one starts at once", async () => {
  const first = await run();
  assert.deepEqual((await post(first.url, { n: 1 })).body, { n: 1 });
  first.kill("SIGKILL");
  await first.exited;
  await eventually(() => (processesOf(dataDir).length === 0 ? true : undefined), 5_000);
  await eventually(() => refuses(first.url), 1_000);
  const second = await run();
  assert.deepEqual((await post(second.url, { n: 2 })).body, { n: 2 });
  second.kill("SIGTERM");
  await second.exited;
  assert.deepEqual(processesOf(dataDir), []);
});

test("one that is killed and started again in the same breath gets its ports back", async () => {
  const first = await run();
  const { port } = new URL(first.url);
  first.kill("SIGKILL");
  await first.exited;
  const again = spawnServe([...args, "--http-port", port], { cwd: project.dir });
  const { applications } = JSON.parse(await again.line(/^\{"(?!error")/)) as { applications: { url: string }[] };
  assert.equal(applications[0]?.url, first.url);
  again.child.kill("SIGTERM");
  await again.exited;
});
