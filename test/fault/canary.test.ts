/**
 * New versions that are worse than the old one, under load: who notices, and how many requests they touch.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { DeploymentStatusView } from "../../core/status.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { LoadReport } from "../../load/load-report.ts";
import { eventually, post, replicaPids, startCluster, type TestCluster } from "../integration/cluster.ts";

const RATE_PER_SECOND = 150;
const DEPLOY_TIMEOUT_MS = 120_000;
const MOST_TOUCHED = 0.02;
/** What the slow version takes, ten times what the others do. */
const SLOW_MS = 100;

const APP = `
import { deployment } from "thornback";

let asked = 0;
class Versioned {
  constructor() { if ("KIND" === "throws") throw new Error("no such weights"); }
  async healthCheck() { if ("KIND" === "sick") throw new Error("cannot see the GPU"); }
  async predict() {
    await new Promise((resolve) => setTimeout(resolve, "KIND" === "slow" ? SLOW_MS : 10));
    if ("KIND" === "errs" && asked++ % 20 === 0) throw new Error("index out of range");
    return "NAME";
  }
}
export default deployment(Versioned, { numReplicas: 2, ROLLOUT }).bind();
`;
const CANARY = 'rollout: { strategy: "canary", steps: [5, 25, 100], gateWindowMs: 3_000 }';
const BLUE_GREEN = 'rollout: { strategy: "blueGreen", gateWindowMs: 500, keepOldMs: 60_000 }';

let cluster: TestCluster;
let count = 0;

before(async () => {
  cluster = await startCluster(["--resources", "cpus=8"]);
  const { code, err } = await deploy({ name: "first" });
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

function deploy({ name, kind = "good", rollout = CANARY }: { name: string; kind?: string; rollout?: string }) {
  const text = APP.replaceAll("KIND", kind)
    .replaceAll("NAME", name)
    .replaceAll("ROLLOUT", rollout)
    .replace("SLOW_MS", String(SLOW_MS));
  const file = cluster.project.write("canary/app.ts", text);
  return cluster.serve(["deploy", file], { timeoutMs: DEPLOY_TIMEOUT_MS });
}

async function status(): Promise<DeploymentStatusView> {
  const found = (await cluster.status()).applications[0]?.deployments[0];
  assert.ok(found !== undefined);
  return found;
}

type Watched = LoadReport & {
  /** Requests that failed, or were answered no faster than the slow version can. */
  readonly touched: number;
};

async function underLoad(during: (sent: () => number) => Promise<void>): Promise<Watched> {
  let touched = 0;
  const load = startLoad({
    ...{ url: cluster.http, method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
    ...{ ratePerSecond: RATE_PER_SECOND, timeoutMs: 10_000 },
    onEnding({ outcome, sentAt, endedAt }) {
      if (outcome !== "200" || endedAt - sentAt >= SLOW_MS) touched += 1;
    },
  });
  try {
    await during(() => load.sent);
  } finally {
    await load.stop();
  }
  return { ...(await load.stop()), touched };
}

/** The reason and the first error stay in the status, for whoever looks later. */
async function assertSaid(cause: RegExp): Promise<void> {
  const [application] = (await cluster.status()).applications;
  console.log(`status says: ${application?.reason.split("\n")[0]}`);
  assert.match(application?.reason ?? "", cause);
}

describe("a rollout that is watched", () => {
  for (const [kind, cause] of [
    ["throws", /no such weights/],
    ["sick", /cannot see the GPU/],
  ] as const) {
    it(`of a version that ${kind === "throws" ? "cannot be constructed" : "is not healthy"} touches no request, and goes back by itself`, async () => {
      const report = await underLoad(async () => {
        const { code, err } = await deploy({ name: `${kind}-${count++}`, kind });
        assert.equal(code, 1);
        assert.match(err, cause);
      });
      assert.deepEqual(report.failures, {});
      console.log(`${kind}: ${report.sent} sent, 0 failed`);
      await assertSaid(cause);
      assert.equal((await post(cluster.http, {})).body, "first");
    });
  }

  for (const [kind, cause] of [
    ["errs", /errorRate/],
    ["slow", /p99Ms/],
  ] as const) {
    it(`of a version that ${kind === "errs" ? "fails 5 % of its requests" : "is ten times slower"} goes back by itself, having touched few`, async () => {
      const report = await underLoad(async (sent) => {
        const { code, err } = await deploy({ name: `${kind}-${count++}`, kind });
        assert.equal(code, 1);
        assert.match(err, cause);
        const then = sent();
        await eventually(() => (sent() - then >= 10 * RATE_PER_SECOND ? true : undefined), 40_000);
      });
      const { sent, succeeded, touched } = report;
      const percent = ((100 * touched) / sent).toFixed(2);
      console.log(`${kind}: ${touched} of ${sent} requests touched (${percent} %), ${sent - succeeded} of them failed`);
      assert.ok(touched <= sent * MOST_TOUCHED, JSON.stringify(report.outcomes));
      await assertSaid(cause);
      assert.equal((await post(cluster.http, {})).body, "first");
    });
  }

  it("gives a good version its shares in turn, and then everything", async () => {
    const seen: (number | undefined)[] = [];
    const report = await underLoad(async () => {
      const done = deploy({ name: "second" });
      await eventually(async () => {
        const percent = (await status()).rollout?.percent;
        if (seen.at(-1) !== percent) seen.push(percent);
        return (await status()).status === "healthy" && (await post(cluster.http, {})).body === "second"
          ? true
          : undefined;
      }, DEPLOY_TIMEOUT_MS);
      assert.equal((await done).code, 0);
    });
    assert.deepEqual(report.failures, {});
    assert.deepEqual(
      seen.filter((percent) => percent !== undefined && percent > 0),
      [5, 25],
    );
    assert.equal((await post(cluster.http, {})).body, "second");
  });

  it("is not begun where verify refuses the version, and keeps the scores where it does not", async () => {
    const verified = (least: string): string => `rollout: {
      strategy: "canary", steps: [50, 100], gateWindowMs: 500,
      verify: async ({ oldVersion, newVersion }) => {
        const [before, after] = [await oldVersion.predict(), await newVersion.predict()];
        if (before === after) throw new Error("both versions answer " + after);
        return { difference: after.length - before.length };
      },
      gates: [{ metric: "difference", least: ${least} }],
    }`;
    const report = await underLoad(async () => {
      const refused = await deploy({ name: "second", kind: "same", rollout: verified("0") });
      assert.equal(refused.code, 1);
      assert.match(refused.err, /verify refused the version: .*both versions answer second/);
      await assertSaid(/verify refused the version: .*both versions answer second/);
      const worse = await deploy({ name: "thirdly", rollout: verified("5") });
      assert.match(worse.err, /score difference is 1, below 5/);
      const done = deploy({ name: "thirdly", rollout: verified("1") });
      const scores = await eventually(async () => (await status()).rollout?.scores["difference"], DEPLOY_TIMEOUT_MS);
      assert.equal(scores, 1);
      assert.equal((await done).code, 0);
    });
    assert.deepEqual(report.failures, {});
    assert.equal((await post(cluster.http, {})).body, "thirdly");
  });

  it("switches blue-green at once, and back at once", async () => {
    const first = await deploy({ name: "blue", rollout: BLUE_GREEN });
    assert.equal(first.code, 0, first.err);
    const blue = await replicaPids(String(cluster.admin));
    const report = await underLoad(async () => {
      const second = await deploy({ name: "green", rollout: BLUE_GREEN });
      assert.equal(second.code, 0, second.err);
      assert.equal((await post(cluster.http, {})).body, "green");
      const pids = await replicaPids(String(cluster.admin));
      assert.ok(blue.filter((pid) => pids.includes(pid)).length === 2, "the old ones stand by");
      const startedAt = performance.now();
      const rollback = cluster.serve(["rollback", "canary"]);
      await eventually(async () => ((await post(cluster.http, {})).body === "blue" ? true : undefined));
      console.log(`back at blue ${Math.round(performance.now() - startedAt)} ms after the command was typed`);
      const back = await rollback;
      assert.equal(back.code, 0, back.err);
      assert.ok((await replicaPids(String(cluster.admin))).filter((pid) => blue.includes(pid)).length === 2);
    });
    assert.deepEqual(report.failures, {});
  });
});
