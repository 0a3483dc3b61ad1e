/**
 * Deploys that change a part of an application: what goes on with the same processes, what is replaced, and what callers
 * see of it. Prints how long a changed `userConfig` took to be what answers.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startLoad } from "../../load/open-loop.ts";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const CALLERS = 4;
const NEW_WITHIN_MS = 1_000;

/** Classes have modules of their own: a version is that of what its class's module reaches. */
const CONFIGURED = {
  "configured/model.ts": `
export class Configured {
  #top = 0;
  reconfigure({ top }: { top: number }) { this.#top = top; }
  async predict() { return { top: this.#top, pid: process.pid }; }
}
`,
  "configured/app.ts": `
import { deployment } from "thornback";
import { Configured } from "./model.ts";

export default deployment(Configured, { numReplicas: 2, userConfig: { top: TOP } }).bind();
`,
};

const THREE = {
  "three/app.ts": `
import { deployment } from "thornback";
import { Front } from "./front.ts";
import { One } from "./one.ts";
import { Two } from "./two.ts";

const one = deployment(One).bind();
const two = deployment(Two, {}).bind();
export default deployment(Front).bind(one, two);
`,
  "three/front.ts": `
import type { Handle } from "thornback";
import type { One } from "./one.ts";
import type { Two } from "./two.ts";

export class Front {
  readonly #one: Handle<One>;
  readonly #two: Handle<Two>;
  constructor(one: Handle<One>, two: Handle<Two>) {
    this.#one = one;
    this.#two = two;
  }
  async predict() { return [await this.#one.predict(), await this.#two.predict()]; }
}
`,
  "three/one.ts": `
import { words } from "./words.ts";
export class One { async predict() { return words("one"); } }
`,
  "three/two.ts": `
import { only } from "./only.ts";
import { words } from "./words.ts";
export class Two { async predict() { return words(only); } }
`,
  "three/only.ts": `export const only = "two";\n`,
  "three/words.ts": `export const words = (text: string) => text + "!";\n`,
};

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster(["--resources", "cpus=16"]);
});

after(() => cluster.close());

async function deploy(file: string, ...flags: readonly string[]): Promise<string> {
  const { code, err } = await cluster.serve(["deploy", file, ...flags]);
  assert.equal(code, 0, err);
  return err;
}

/** Pids of an application by deployment. */
async function pidsOf(name: string): Promise<Readonly<Record<string, readonly number[]>>> {
  const application = (await cluster.status()).applications.find((one) => one.name === name);
  const deployments = application?.deployments ?? [];
  return Object.fromEntries(
    deployments.map((each) => [each.name, each.replicas.map(({ pid }) => pid).sort((a, b) => a - b)]),
  );
}

test("a changed userConfig reaches the processes that run within a second, and fails no request", async () => {
  const write = (top: number): string => {
    cluster.project.write("configured/model.ts", CONFIGURED["configured/model.ts"]);
    return cluster.project.write("configured/app.ts", CONFIGURED["configured/app.ts"].replace("TOP", String(top)));
  };
  await deploy(write(1), "--route-prefix", "/configured");
  const url = `${cluster.http}/configured`;
  const pids = await pidsOf("configured");
  const load = startLoad({
    ...{ url, method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
    ...{ ratePerSecond: 200, timeoutMs: 10_000 },
  });
  const typedAt = performance.now();
  let lastOldAt = typedAt;
  const ask = async (): Promise<void> => {
    // Both replicas have changed once so many answers in a row are new.
    for (let streak = 0; streak < 50; streak++) {
      const { body } = await post(url, {});
      if ((body as { top: number }).top === 2) continue;
      streak = -1;
      lastOldAt = performance.now();
    }
  };
  const asking = Promise.all(Array.from({ length: CALLERS }, ask));
  await deploy(write(2), "--route-prefix", "/configured", "--no-wait");
  const acceptedAt = performance.now();
  await asking;
  const { sent, failures } = await load.stop();
  console.log(
    `userConfig: the last old answer ${Math.round(lastOldAt - typedAt)} ms after the command was typed, ` +
      `${Math.round(lastOldAt - acceptedAt)} ms after it returned; ${sent} requests, failures ${JSON.stringify(failures)}`,
  );
  assert.ok(lastOldAt - acceptedAt < NEW_WITHIN_MS);
  assert.deepEqual(failures, {});
  assert.deepEqual(await pidsOf("configured"), pids);
});

test("of three deployments only the one whose options or module changed gets other processes", async () => {
  for (const [file, text] of Object.entries(THREE)) cluster.project.write(file, text);
  const args = ["three/app.ts", "--route-prefix", "/three"] as const;
  await deploy(...args);
  const url = `${cluster.http}/three`;
  assert.deepEqual((await post(url, {})).body, ["one!", "two!"]);
  const first = await pidsOf("three");

  cluster.project.write("three/only.ts", `export const only = "zwei";\n`);
  assert.match(await deploy(...args), /three: Two replaced; /);
  assert.deepEqual((await post(url, {})).body, ["one!", "zwei!"]);
  const second = await onlyTwoChanged(first);

  cluster.project.write("three/app.ts", THREE["three/app.ts"].replace("{}", "{ resources: { cpus: 2 } }"));
  assert.match(await deploy(...args), /three: Two replaced; /);
  const third = await onlyTwoChanged(second);

  cluster.project.write("three/words.ts", `export const words = (text: string) => text + "?";\n`);
  assert.match(await deploy(...args), /three: (One, Two|Two, One) replaced; /);
  const { Front: front } = await settled();
  assert.deepEqual(front, third["Front"]);
  assert.deepEqual((await post(url, {})).body, ["one?", "zwei?"]);
});

/** The pids once what was replaced has ended. */
function settled(): Promise<Readonly<Record<string, readonly number[]>>> {
  return eventually(async () => {
    const pids = await pidsOf("three");
    return Object.values(pids).every(({ length }) => length === 1) ? pids : undefined;
  });
}

async function onlyTwoChanged(before: Readonly<Record<string, readonly number[]>>): Promise<typeof before> {
  const { Two: two, ...others } = await settled();
  const { Two: previous, ...same } = before;
  assert.deepEqual(others, same);
  assert.notDeepEqual(two, previous);
  return { ...others, ...(two === undefined ? {} : { Two: two }) };
}
