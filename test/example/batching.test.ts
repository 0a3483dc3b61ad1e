import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { startCluster, type TestCluster } from "../integration/cluster.ts";

const app = fileURLToPath(new URL("../fixture/model/five-ms/app.ts", import.meta.url));
const CALLERS = 64;
const REQUESTS_PER_CALLER = 20;

type Answer = { readonly item: number; readonly batchSize: number };

describe("a model that takes 5 ms a run", () => {
  let cluster: TestCluster;
  let url: string;

  before(async () => {
    cluster = await startCluster();
    const { code, out, err } = await cluster.serve(["deploy", app, "--name", "five-ms"]);
    assert.equal(code, 0, `${out}\n${err}`);
    const [node] = (await cluster.status()).nodes;
    url = node?.httpUrl ?? "";
  });

  after(() => cluster.close());

  async function ask(item: number): Promise<Answer> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: String(item) });
    assert.equal(response.status, 200);
    return (await response.json()) as Answer;
  }

  it("answers a lone caller at once, in a batch of one", async () => {
    assert.deepEqual(await ask(7), { item: 7, batchSize: 1 });
  });

  it("serves 64 callers in batches of more than 8 on average, each with its own answer", async () => {
    const answers: Answer[] = [];
    async function caller(number: number): Promise<void> {
      for (let index = 0; index < REQUESTS_PER_CALLER; index += 1) {
        const item = number * REQUESTS_PER_CALLER + index;
        const answer = await ask(item);
        assert.equal(answer.item, item);
        answers.push(answer);
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, (_, number) => caller(number)));
    assert.equal(answers.length, CALLERS * REQUESTS_PER_CALLER);
    // Each answer stands for a share of its batch, so the shares add up to the number of batches.
    const batches = answers.reduce((sum, { batchSize }) => sum + 1 / batchSize, 0);
    const mean = answers.length / batches;
    assert.ok(mean > 8, `a batch had ${mean.toFixed(1)} items on average`);
  });
});
