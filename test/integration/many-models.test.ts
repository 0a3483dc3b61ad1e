import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startCluster, type TestCluster } from "./cluster.ts";

const APP = `
import { deployment, models, requestContext, type Handle } from "thornback";

const loads: string[] = [];
const broken: string[] = [];

class Model {
  readonly id: string;
  users = 0;
  constructor(id: string) {
    this.id = id;
  }
  close() {
    if (this.users > 0) broken.push(this.id + " was closed in use");
  }
}

const loading = new Set<string>();

class Store {
  #models = models({
    maxModels: 2,
    load: async (id) => {
      if (loading.has(id)) broken.push(id + " was loaded twice at once");
      loading.add(id);
      loads.push(id);
      await new Promise((resolve) => setTimeout(resolve, 20));
      loading.delete(id);
      return new Model(id);
    },
  });

  async ask() {
    return this.#models.use(async (model, id) => {
      model.users += 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
      model.users -= 1;
      return { model: model.id, id, replica: requestContext().replica, loads, broken };
    });
  }
}

class Front {
  readonly #store: Handle<Store>;
  constructor(store: Handle<Store>) {
    this.#store = store;
  }
  async predict() {
    return this.#store.with({ modelId: requestContext().modelId }).ask();
  }
}

export default deployment(Front).bind(deployment(Store, { numReplicas: 2 }).bind());
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("store/app.ts", APP)]);
  assert.equal(code, 0, err);
});

after(async () => {
  await cluster.close();
});

type Answer = {
  readonly model: string;
  readonly id: string;
  readonly replica: string;
  readonly loads: readonly string[];
  readonly broken: readonly string[];
};

async function send(modelId?: string): Promise<Response> {
  const named = modelId === undefined ? {} : { "x-thornback-model-id": modelId };
  return fetch(cluster.http, { method: "POST", headers: { "content-type": "application/json", ...named }, body: "{}" });
}

async function ask(modelId: string): Promise<Answer> {
  const response = await send(modelId);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Answer;
}

test("as many models as there is room for are loaded once each, and asked for where they are", async () => {
  const ids = ["a", "b", "c", "d"];
  // A burst for each of them, before anybody has it.
  for (const id of ids) await Promise.all(Array.from({ length: 6 }, () => ask(id)));
  const loads = new Map<string, readonly string[]>();
  for (let round = 0; round < 5; round++) {
    for (const id of ids) {
      const answer = await ask(id);
      assert.deepEqual([answer.model, answer.id, answer.broken], [id, id, []]);
      loads.set(answer.replica, answer.loads);
    }
  }
  assert.equal(loads.size, 2);
  assert.deepEqual([...loads.values()].flat().toSorted(), ids);
});

test("with more models than there is room for, all are answered, none is loaded twice at once or closed in use", async () => {
  const ids = Array.from({ length: 9 }, (_, at) => `m${at}`);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => ids[(at * at) % ids.length] ?? "").map(ask));
  for (const { model, id, broken } of answers) {
    assert.equal(model, id);
    assert.deepEqual(broken, []);
  }
  const metrics = await (await fetch(`${cluster.http}/-/metrics`)).text();
  for (const name of ["thornback_models_loaded", "thornback_model_loads_total", "thornback_model_evictions_total"])
    assert.match(metrics, new RegExp(`^${name}\\{.*\\} [1-9]`, "m"));
});

test("a request that names no model, or one that cannot be, is refused", async () => {
  for (const id of [undefined, "../a"]) {
    const response = await send(id);
    assert.equal(response.status, 400);
    assert.match(await response.text(), /x-thornback-model-id/);
  }
});
