/**
 * A model's run takes seconds and must not be noticed by what else its replica does. RUN_SECONDS=5 makes it longer.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { writeLongRun } from "../fixture/long-run.ts";
import { eventually, post, startCluster, type TestCluster } from "./cluster.ts";

const RUN_SECONDS = Number(process.env["RUN_SECONDS"] ?? 2);
const REQUESTS = 100;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", writeLongRun(path.join(cluster.project.dir, "long"))]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

async function get(target: string, expected: string): Promise<void> {
  const response = await fetch(`${cluster.http}${target}`);
  assert.equal(response.status, 200);
  assert.ok((await response.text()).includes(expected), target);
}

test("while a run of seconds is on, probes, streams and other methods of its replica are answered", async () => {
  let hasEnded = false;
  const run = post(`${cluster.http}/run`, RUN_SECONDS).finally(() => (hasEnded = true));
  const isRunning = async (): Promise<true | undefined> => {
    const { body } = await post(`${cluster.http}/plain`, {});
    return (body as { isRunning: boolean }).isRunning || hasEnded ? true : undefined;
  };
  await eventually(isRunning, 30_000);
  const kinds = [
    ["/-/readyz", ""],
    ["/plain", '"isRunning":true'],
    ["/stream", "0123"],
  ] as const;
  await Promise.all(
    kinds.map(async ([target, expected]) => {
      for (let sent = 0; sent < REQUESTS; sent++) await get(target, expected);
    }),
  );
  assert.equal(hasEnded, false, `the run ended before ${String(kinds.length * REQUESTS)} answers came`);
  const { status, body } = await run;
  assert.equal(status, 200, JSON.stringify(body));
  console.log(`a run of ${Number(body).toFixed(0)} ms`);
});
