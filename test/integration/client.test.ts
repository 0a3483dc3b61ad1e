import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ServeError } from "../../core/error.ts";
import type { Bound } from "../../sdk/deployment.ts";
import { client, createAdminClient, deploy } from "../../sdk/client.ts";
import { eventually, startCluster, type TestCluster } from "./cluster.ts";

/** The class that the deployed file defines, as a program elsewhere knows it: by its type alone. */
declare class Doubler {
  predict(input: { value: number }): Promise<{ doubled: number; mode: string }>;
}

const APP = `
import { deployment, secret } from "thornback";
class Doubler {
  async predict(input: { value: number }) {
    if (typeof input.value !== "number") throw Object.assign(new Error("value must be a number"), { status: 422 });
    return { doubled: input.value * 2, mode: process.env.MODE };
  }
}
export default deployment(Doubler, { env: { MODE: secret("DOUBLER_MODE") } }).bind();
`;

let cluster: TestCluster;
before(async () => {
  cluster = await startCluster();
});
after(() => cluster.close());

test("a program deploys a file, calls it with types, reads the status and deletes it", async () => {
  const address = cluster.admin ?? "";
  const file = cluster.project.write("doubler/app.ts", APP);
  const [deployed] = await deploy(file, { address, routePrefix: "/doubler", env: { DOUBLER_MODE: "fast" } });
  assert.deepEqual([deployed?.application, deployed?.added, deployed?.isUnchanged], ["doubler", ["Doubler"], false]);
  const doubler = client<Bound<Doubler>>(deployed?.url ?? "");
  assert.deepEqual(await doubler.predict({ value: 21 }), { doubled: 42, mode: "fast" });
  await assert.rejects(doubler.predict({ value: "x" } as never), (error: unknown) => {
    assert.ok(error instanceof ServeError);
    assert.deepEqual([error.code, error.message], ["handler_failed", "value must be a number"]);
    return true;
  });
  const admin = createAdminClient(address);
  assert.equal((await admin.application("doubler")).status, "running");
  assert.equal((await admin.nodes()).nodes.length, 1);
  await admin.deleteApplication("doubler");
  await eventually(async () => {
    return (await admin.status()).applications.length === 0 ? true : undefined;
  });
  await assert.rejects(admin.application("doubler"), (error: ServeError) => error.code === "deployment_not_found");
});

test("a deploy that cannot be made rejects with its first cause", async () => {
  const file = cluster.project.write("broken/app.ts", "const x = ;");
  await assert.rejects(deploy(file, { address: cluster.admin ?? "" }), (error: unknown) => {
    assert.ok(error instanceof ServeError);
    assert.match(error.message, /app\.ts:1:11: Unexpected ";"/);
    return true;
  });
  const nowhere = deploy(file, { address: "http://127.0.0.1:9" });
  await assert.rejects(nowhere, ServeError);
});
