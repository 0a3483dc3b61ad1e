import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { post, startCluster, type TestCluster } from "./cluster.ts";

const CALLERS = 64;
const REQUESTS = 2_000;

const APP = `
import { batch, deployment } from "thornback";

class FiveMilliseconds {
  double = batch({ maxBatchSize: 64 }, async (numbers: number[]) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return numbers.map((number) => number * 2);
  });

  async predict(input: { number: number }) {
    return this.double(input.number);
  }
}
export default deployment(FiveMilliseconds).bind();
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("five/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

/** A number that the metrics text gives for a series of the batch histogram. */
async function batchMetric(suffix: "sum" | "count"): Promise<number> {
  const text = await (await fetch(`${cluster.http}/-/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`thornback_batch_items_${suffix}{`));
  return Number(line?.split(" ").at(-1));
}

test("64 callers of a model of 5 ms are answered in batches of more than 8, each with its own answer", async () => {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < REQUESTS) {
      const number = next++;
      assert.deepEqual((await post(cluster.http, { number })).body, number * 2);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const [items, batches] = [await batchMetric("sum"), await batchMetric("count")];
  assert.equal(items, next);
  const mean = items / batches;
  console.log(`${String(CALLERS)} callers, ${String(items)} requests: mean batch ${mean.toFixed(1)}`);
  assert.ok(mean > 8, `mean batch ${mean.toFixed(1)}`);
});
