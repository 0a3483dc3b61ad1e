/**
 * Two versions of a deployment side by side: which requests each gets, as counted from outside by the answers' version
 * header, and how long a switch from one to the other takes. Prints every figure.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { DeploymentStatusView, RolloutStatusView } from "../../core/status.ts";
import { HttpClient } from "../../load/http-client.ts";
import { encodeRequest, type LoadTarget, readTarget } from "../../load/load-request.ts";
import { type CommandResult, eventually, startCluster, type TestCluster } from "../integration/cluster.ts";

const REQUESTS_PER_STEP = 10_000;
const OFF_BY_POINTS = 1.5;
const CALLERS = 16;
const SESSIONS = 400;
const SWITCHED_WITHIN_MS = 1_000;
const STAGE_WITHIN_MS = 60_000;

const APP = `
import { deployment } from "thornback";

class Versioned {
  async predict() { return "NAME"; }
}
export default deployment(Versioned, { numReplicas: 2, ROLLOUT }).bind();
`;
const CANARY = 'rollout: { strategy: "canary", steps: [5, 25], gateWindowMs: 1_000, gates: [] }';
const BLUE_GREEN = 'rollout: { strategy: "blueGreen", gateWindowMs: 500, keepOldMs: 60_000, gates: [] }';

let cluster: TestCluster;
let target: LoadTarget;
let client: HttpClient;

before(async () => {
  cluster = await startCluster(["--resources", "cpus=8"]);
  const found = readTarget(cluster.http);
  assert.ok(found !== undefined);
  target = found;
  client = new HttpClient(target, 4 * CALLERS);
  const { code, err } = await deploy("first", CANARY);
  assert.equal(code, 0, err);
});

after(async () => {
  client.close();
  await cluster.close();
});

function deploy(name: string, rollout: string): Promise<CommandResult> {
  const file = cluster.project.write("shares/app.ts", APP.replace("NAME", name).replace("ROLLOUT", rollout));
  return cluster.serve(["deploy", file], { timeoutMs: 120_000 });
}

async function status(): Promise<DeploymentStatusView> {
  const found = (await cluster.status()).applications[0]?.deployments[0];
  assert.ok(found !== undefined);
  return found;
}

async function command(action: "pause" | "resume" | "promote"): Promise<void> {
  const { code, err } = await cluster.serve(["rollout", action, "shares"]);
  assert.equal(code, 0, err);
}

/** Resolves when the new version has a share of that many percent, everywhere. */
function atStep(percent: number): Promise<RolloutStatusView> {
  return eventually(async () => {
    const { rollout } = await status();
    return rollout?.stage === "step" && rollout.percent === percent ? rollout : undefined;
  }, STAGE_WITHIN_MS);
}

type Answer = { readonly status: number; readonly version: string; readonly at: number };

/** Resolves with status 0 where no answer came. */
function ask(session?: string): Promise<Answer> {
  const headers = { "content-type": "application/json", ...(session === undefined ? {} : { "x-session-id": session }) };
  return new Promise((resolve) => {
    let answer = { status: 0, version: "" };
    client.send(encodeRequest(target, { method: "POST", headers, body: "{}" }), {
      onHead: (status, head) => (answer = { status, version: head.get("x-thornback-version") ?? "" }),
      onBody: () => undefined,
      onEnd: () => resolve({ ...answer, at: performance.now() }),
      onFailure: () => resolve({ status: 0, version: "", at: performance.now() }),
    });
  });
}

/** Sends that many requests, some at a time, and returns their answers in the order in which they came. */
async function askMany(count: number, sessionOf?: (sequence: number) => string): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const call = async (): Promise<void> => {
    while (next < count) answers.push(await ask(sessionOf?.(next++) ?? void next++));
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  return answers;
}

async function assertShare(rollout: RolloutStatusView): Promise<void> {
  const answers = await askMany(REQUESTS_PER_STEP);
  const failed = answers.filter((answer) => answer.status !== 200).length;
  const isNew = ({ version }: Answer): boolean => version === rollout.to;
  const percent = (100 * answers.filter(isNew).length) / answers.length;
  console.log(`${rollout.percent} %: ${percent.toFixed(2)} % of ${answers.length} requests, ${failed} failed`);
  assert.equal(failed, 0);
  assert.ok(Math.abs(percent - (rollout.percent ?? 0)) <= OFF_BY_POINTS);
  assert.ok(answers.every((answer) => isNew(answer) || answer.version === rollout.from));
}

/** The version of each session, every one of which is asked for four times. */
async function versionsOfSessions(): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>();
  for (let sequence = 0; sequence < SESSIONS; sequence += CALLERS) {
    const sessions = Array.from({ length: CALLERS }, (_, i) => `session-${sequence + i}`);
    await Promise.all(
      sessions.map(async (session) => {
        const answers = await Promise.all(Array.from({ length: 4 }, () => ask(session)));
        const seen = [...new Set(answers.map(({ version }) => version))];
        assert.equal(seen.length, 1, `${session} was served by ${seen.join(" and ")}`);
        versions.set(session, seen[0] ?? "");
      }),
    );
  }
  return versions;
}

/** Calls `code` while callers ask, and returns what they saw. */
async function whileAsking(code: () => Promise<void>): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let isOver = false;
  const call = async (): Promise<void> => {
    while (!isOver) answers.push(await ask());
  };
  const callers = Array.from({ length: CALLERS }, call);
  try {
    await code();
  } finally {
    isOver = true;
    await Promise.all(callers);
  }
  return answers;
}

/** From the first answer of the version that takes over to the last of the other: how long both served. */
function bothServedMs(answers: readonly Answer[], to: string): number {
  const firstAt = answers.find(({ version }) => version === to)?.at ?? Number.NaN;
  return Math.max(0, (answers.findLast(({ version }) => version !== to)?.at ?? firstAt) - firstAt);
}

describe("two versions side by side", () => {
  it("get their shares of the requests, and keep their sessions", async () => {
    const deploying = deploy("second", CANARY);
    await atStep(5);
    await command("pause");
    const five = await atStep(5);
    await assertShare(five);
    const before = await versionsOfSessions();
    await command("resume");
    const quarter = await atStep(25);
    await assertShare(quarter);
    const afterwards = await versionsOfSessions();
    const back = [...before].filter(
      ([session, version]) => version === five.to && afterwards.get(session) !== version,
    ).length;
    const moved = [...before].filter(([session, version]) => afterwards.get(session) !== version).length;
    console.log(`${SESSIONS} sessions: each at one version; ${moved} moved from 5 % to 25 %, ${back} of them back`);
    assert.equal(back, 0);
    await command("promote");
    assert.equal((await deploying).code, 0);
    const { version } = await ask();
    assert.equal(version, quarter.to);
  });

  it("are switched as a whole within a second, there and back", async () => {
    assert.equal((await deploy("blue", BLUE_GREEN)).code, 0);
    const blue = (await ask()).version;
    const there = await whileAsking(async () => {
      const { code, err } = await deploy("green", BLUE_GREEN);
      assert.equal(code, 0, err);
    });
    const green = (await ask()).version;
    assert.notEqual(green, blue);
    let orderedAt = 0;
    const back = await whileAsking(async () => {
      orderedAt = performance.now();
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
      const answer = await fetch(`${cluster.admin}/api/v1/applications/shares/rollback`, init);
      assert.equal(answer.status, 200, await answer.text());
      await eventually(async () => ((await ask()).version === blue ? true : undefined));
      await askMany(1_000);
    });
    const thereMs = bothServedMs(there, green);
    const backMs = (back.findLast(({ version }) => version === green)?.at ?? orderedAt) - orderedAt;
    const failed = [...there, ...back].filter((answer) => answer.status !== 200).length;
    console.log(
      `blue-green: switched ${Math.round(thereMs)} ms after green's first answer, back ${Math.round(backMs)} ms after ` +
        `the order; ${there.length + back.length} requests, ${failed} failed`,
    );
    assert.equal(failed, 0);
    assert.ok(thereMs < SWITCHED_WITHIN_MS && backMs < SWITCHED_WITHIN_MS);
  });
});
