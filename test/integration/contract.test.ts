import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { post, startCluster, type TestCluster } from "./cluster.ts";

const app = fileURLToPath(new URL("../fixture/contract/app.ts", import.meta.url));
const three = fileURLToPath(new URL("../../examples/digits/three.json", import.meta.url));

/** No more than is needed to walk through it; what must be there is what the test says. */
type Status = {
  readonly applications: readonly {
    readonly name: string;
    readonly deployments: readonly {
      readonly name: string;
      readonly replicas: readonly { readonly provider: string }[];
    }[];
  }[];
  readonly nodes: readonly object[];
  readonly controller: object;
};

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
});

after(async () => {
  await cluster.close();
});

test("a class with fetch and a class that calls it through a handle answer the same, from one file", async () => {
  const { code, err } = await cluster.serve(["deploy", app]);
  assert.equal(code, 0, err);
  const pixels = JSON.parse(readFileSync(three, "utf8")) as unknown;
  for (const name of ["gateway", "classifier"]) {
    const { status, body, headers } = await post(`${cluster.http}/${name}`, pixels);
    assert.equal(status, 200);
    assert.deepEqual(body, { label: 3 });
    assert.match(headers.get("x-thornback-version") ?? "", /^[0-9a-f]{12}$/);
  }
});

test("the status has the shape that scripts rely on", async () => {
  const { out } = await cluster.serve(["status", "--json"]);
  const { applications, nodes, controller } = JSON.parse(out) as Status;
  const gateway = applications.find(({ name }) => name === "gateway");
  assert.ok(gateway);
  const has = (value: object | undefined, keys: readonly string[]): void => {
    for (const key of keys) assert.ok(value !== undefined && key in value, `${key} in ${JSON.stringify(value)}`);
  };
  has(gateway, ["name", "routePrefix", "status", "version", "deployments"]);
  const classifier = gateway.deployments.find(({ name }) => name === "Classifier");
  has(classifier, ["name", "status", "targetReplicas", "reason", "replicas"]);
  has(classifier?.replicas[0], ["id", "nodeId", "pid", "state", "version", "ongoing", "provider"]);
  assert.equal(classifier?.replicas[0]?.provider, "cpu");
  has(nodes[0], ["id", "state", "resources"]);
  has(controller, ["self", "epoch", "leader"]);
});
