/** What callers of batches get over HTTP when items fail, go away, are too late or come in bits; and what status then says. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";
import type { ClusterStatus } from "../../core/status.ts";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { batch, deployment, streamEnd, streamingBatch } from "thornback";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
type Input = { kind: "square" | "count" | "slow" | "seen" | "release" | "configure"; item: number };

class Model {
  #seen: number[][] = [];
  #release: (() => void) | undefined;

  /** The first batch holds the handler until it is released, so that the next one gathers. */
  square = batch({ maxBatchSize: 32, pure: true }, async (items: number[]) => {
    this.#seen.push(items);
    if (items.includes(-1)) await new Promise<void>((resolve) => (this.#release = resolve));
    if (items.includes(13)) throw new RangeError("13 is poison");
    return items.map((item) => item * item);
  });

  count = streamingBatch({ maxBatchSize: 8 }, async function* (starts: number[]) {
    for (let step = 0; step <= Math.max(...starts); step++) {
      yield starts.map((start) => (step <= start ? start - step : streamEnd));
      await pause(1);
    }
  });

  #late = 0;
  slow = batch({ maxBatchSize: 4 }, async (items: number[], contexts) => {
    this.#late += contexts.filter(({ deadlineAt }) => deadlineAt <= performance.now()).length;
    await pause(50);
    return items;
  });

  predict({ kind, item }: Input): unknown {
    if (kind === "square") return this.square(item);
    if (kind === "count") return this.count(item);
    if (kind === "slow") return this.slow(item);
    if (kind === "configure") {
      this.square.configure({ maxBatchSize: item });
      return item;
    }
    if (kind === "release") this.#release?.();
    return { seen: this.#seen, late: this.#late };
  }
}
export default deployment(Model, { maxOngoingRequests: 128 }).bind();
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("outcomes/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

const ask = (kind: string, item = 0, headers: Record<string, string> = {}) =>
  post(cluster.http, { kind, item }, headers);

describe("items of a batch over HTTP", () => {
  it("of 32 with one poison and one whose client left: 30 right answers, one error, one never computed", async () => {
    const holder = ask("square", -1);
    await eventually(async () => ((await seenNow()).length === 1 ? true : undefined));
    const leaver = request(cluster.http, { method: "POST", headers: { "content-type": "application/json" } });
    leaver.on("error", () => {});
    leaver.end(JSON.stringify({ kind: "square", item: 999 }));
    const answers = Array.from({ length: 31 }, (_, item) => ask("square", item));
    await eventually(async () => ((await waitingItems()) === 32 ? true : undefined));
    leaver.destroy();
    await eventually(async () => ((await waitingItems()) === 31 ? true : undefined));
    await ask("release");
    assert.equal((await holder).body, 1);
    for (const [item, answer] of (await Promise.all(answers)).entries()) {
      if (item === 13) assert.equal(answer.status, 500);
      else assert.equal(answer.body, item * item);
    }
    const { seen } = (await ask("seen")).body as { seen: number[][] };
    assert.equal(seen[1]?.length, 31, "one batch");
    assert.ok(seen.flat().every((item) => item !== 999));
  });

  it("come bit by bit, each caller its own, from one batch", async () => {
    const starts = [3, 0, 5, 2];
    const texts = await Promise.all(
      starts.map(async (item) => {
        const body = JSON.stringify({ kind: "count", item });
        return (
          await fetch(cluster.http, { method: "POST", headers: { "content-type": "application/json" }, body })
        ).text();
      }),
    );
    for (const [at, start] of starts.entries()) {
      const expected = Array.from({ length: start + 1 }, (_, step) => `data: ${String(start - step)}\n\n`).join("");
      assert.equal(texts[at], `${expected}data: [DONE]\n\n`);
    }
  });

  it("at twice the capacity with a deadline: late ones are refused before they run, none is answered late", async () => {
    const statuses = new Map<number, number>();
    const sent: Promise<void>[] = [];
    for (let at = 0; at < 150; at++) {
      const startedAt = performance.now();
      const one = ask("slow", at, { "x-thornback-timeout-ms": "150" }).then(({ status }) => {
        const tookMs = performance.now() - startedAt;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) assert.ok(tookMs < 1_000, `answered after ${tookMs} ms`);
      });
      sent.push(one);
      // tidy-allow test-waits: an open loop sends by a schedule, whatever comes back.
      await new Promise((resolve) => setTimeout(resolve, 6));
    }
    await Promise.all(sent);
    assert.deepEqual([...statuses.keys()].toSorted(), [200, 504]);
    const { late } = (await ask("seen")).body as { late: number };
    assert.equal(late, 0, "the handler saw an item that had expired");
  });

  it("their limits may change while they are used, and status says what batches take", async () => {
    await ask("configure", 5);
    await Promise.all(Array.from({ length: 20 }, (_, at) => ask("square", 100 + at)));
    const { seen } = (await ask("seen")).body as { seen: number[][] };
    assert.ok(seen.slice(2).every((items) => !items.some((item) => item >= 100) || items.length <= 5));
    // Calls that are over before anybody looks are in it as well.
    const found = await eventually(async () => {
      const batches = (await status()).applications[0]?.deployments[0]?.replicas[0]?.batches ?? [];
      return batches.find(({ method, maxBatchSize }) => method === "square" && maxBatchSize === 5);
    });
    assert.ok(found.expectedRuns.some(({ items, runMs }) => items >= 1 && runMs > 0));
  });
});

async function status(): Promise<ClusterStatus> {
  const { code, out, err } = await cluster.serve(["status", "--json"]);
  assert.equal(code, 0, err);
  return JSON.parse(out) as ClusterStatus;
}

async function seenNow(): Promise<number[][]> {
  return ((await ask("seen")).body as { seen: number[][] }).seen;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${cluster.http}/-/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name}{`) && one.includes('method="square"'));
  return Number(line?.split(" ").at(-1) ?? 0);
}

const waitingItems = (): Promise<number> => metric("thornback_batch_waiting_items");
