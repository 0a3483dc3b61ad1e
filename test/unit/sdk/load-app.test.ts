import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidSpecError } from "../../../core/error.ts";
import type { ApplicationName, DeploymentName } from "../../../core/ids.ts";
import { application } from "../../../sdk/application.ts";
import { deployment } from "../../../sdk/deployment.ts";
import { defaultApplicationName, findDeployment, instantiateArgs, loadApplications } from "../../../sdk/load-app.ts";

class Leaf {
  ping(): string {
    return "pong";
  }
}
class Root {
  constructor(...args: unknown[]) {
    void args;
  }
  predict(input: unknown): unknown {
    return input;
  }
}
class Site {
  fetch = async (): Promise<Response> => new Response("hi");
}

const file = "/home/ada/digits/app.ts";
const leaf = deployment(Leaf);
const load = (exported: unknown, options = {}) => loadApplications({ default: exported }, { file, ...options });
const one = (exported: unknown, options = {}) => load(exported, options)[0] ?? assert.fail();

describe("loadApplications", () => {
  it("walks handles in arguments, arrays and records, the ingress first", () => {
    const graph = one(
      deployment(Root).bind(leaf.bind(), [leaf.options({ name: "b" }).bind()], {
        c: leaf.options({ name: "c" }).bind(),
      }),
    );
    assert.deepEqual(
      graph.deployments.map(({ name }) => name),
      ["Root", "Leaf", "b", "c"],
    );
    assert.equal(graph.ingress, "Root");
  });

  it("takes the same bound deployment twice for one deployment, and two for two", () => {
    const shared = leaf.bind();
    assert.equal(one(deployment(Root).bind(shared, [shared])).deployments.length, 2);
    const names = one(deployment(Root).bind(leaf.bind(), leaf.bind())).deployments.map(({ name }) => name);
    assert.deepEqual(names, ["Root", "Leaf", "Leaf_2"]);
  });

  it("refuses two deployments that were given one name", () => {
    const named = leaf.options({ name: "x" });
    assert.throws(() => load(deployment(Root).bind(named.bind(), named.bind())), /two deployments are named x/);
  });

  it("refuses arguments that contain themselves instead of walking for ever", () => {
    const loop: unknown[] = [];
    loop.push(loop);
    assert.throws(() => load(deployment(Root).bind(loop)), /contains itself/);
  });

  it("finds fetch and predict whether they are methods or fields", () => {
    assert.equal(one(deployment(Root).bind()).ingressKind, "predict");
    assert.equal(one(deployment(Site).bind()).ingressKind, "fetch");
    assert.equal(one(deployment(async () => new Response("hi")).bind()).ingressKind, "fetch");
    assert.throws(() => load(leaf.bind()), /neither fetch\(request\) nor predict\(input\)/);
  });

  it("names the application by flag, option, folder and file, in that order", () => {
    const app = deployment(Root).bind();
    assert.equal(one(app).name, "digits");
    assert.equal(one(application(app, { name: "mine" })).name, "mine");
    assert.equal(one(application(app, { name: "mine" }), { name: "flag" }).name, "flag");
    assert.equal(defaultApplicationName("/x/My Models/index.mts"), "my-models");
    assert.equal(defaultApplicationName("/x/y/Sentiment_v2.ts"), "sentiment-v2");
    assert.equal(defaultApplicationName("/x/___/app.ts"), "default");
  });

  it("takes several applications, each with a name and a prefix", () => {
    const apps = ["a", "b"].map((name) => application(deployment(Root).bind(), { name, routePrefix: `/${name}` }));
    assert.deepEqual(
      load(apps).map(({ name, routePrefix }) => [name, routePrefix]),
      [
        ["a", "/a"],
        ["b", "/b"],
      ],
    );
    assert.throws(() => load(apps, { name: "c" }), /name and prefix each/);
    assert.throws(() => load([deployment(Root).bind(), apps[0]]), /need a name each/);
    const clash = ["a", "b"].map((name) => application(deployment(Root).bind(), { name }));
    assert.throws(() => load(clash), /a and b have the same routePrefix/);
  });

  for (const [what, exported] of Object.entries({
    nothing: undefined,
    "a class": Root,
    "a deployment without bind": deployment(Root),
    "a number": 3,
    "an empty array": [],
    null: null,
  })) {
    it(`says what to export when the default export is ${what}`, () => {
      assert.throws(
        () => load(exported),
        (error: unknown) => error instanceof InvalidSpecError && error.message.includes("export default"),
      );
    });
  }

  it("hands on the functions that the control plane asks, beside options that JSON can carry", () => {
    const policy = (): number => 3;
    const [root] = one(deployment(Root, { autoscaling: { policy } }).bind()).deployments;
    assert.equal(root?.functions?.policy, policy);
    assert.equal(root?.options.autoscaling?.hasPolicy, true);
    assert.deepEqual(root?.rawOptions, { autoscaling: { hasPolicy: true } });
  });

  it("takes the default export of a CommonJS module", () => {
    assert.equal(one({ default: deployment(Root).bind() }).ingress, "Root");
  });
});

describe("a fallback", () => {
  const names = (exported: unknown) =>
    one(exported).deployments.map(({ name, options, rawOptions }) => {
      assert.equal(rawOptions["fallback"], options.fallback);
      return [name, options.fallback];
    });

  it("that is bound joins the graph, and serves two that share it", () => {
    const shared = deployment(Root, { name: "small" }).bind();
    const inner = deployment(Root, { name: "inner", fallback: shared }).bind();
    assert.deepEqual(names(deployment(Root, { fallback: shared }).bind(inner)), [
      ["Root", "small"],
      ["inner", "small"],
      ["small", undefined],
    ]);
  });

  it("that is a function becomes a deployment that takes the same input", async () => {
    class Checked extends Root {
      static readonly input = { "~standard": {} };
    }
    const answer = (): number => 0;
    const env = { MODE: "fast" };
    const graph = one(deployment(Checked, { fallback: answer, env, idempotent: true }).bind());
    const [, made] = graph.deployments;
    assert.equal(graph.deployments[0]?.options.fallback, "Checked-fallback");
    assert.deepEqual(
      [made?.name, made?.sources, made?.options.numReplicas],
      ["Checked-fallback", [answer, Checked], 1],
    );
    assert.deepEqual([made?.options.env, made?.options.idempotent], [env, true]);
    const Made = made?.target as unknown as { new (): { predict(): unknown }; input: unknown };
    assert.deepEqual([Made.input, new Made().predict()], [Checked.input, 0]);
  });

  it("that is a function answers in place of fetch, and of a function", () => {
    const answer = (): Response => new Response("later");
    for (const target of [
      deployment(Site, { fallback: answer }),
      deployment(() => new Response(), { fallback: answer }),
    ]) {
      const [first, second] = one(target.bind()).deployments;
      assert.deepEqual([second?.target, second?.name], [answer, `${first?.name}-fallback`]);
    }
  });

  it("is found by the replica that runs it", () => {
    const namespace = { default: deployment(Root, { fallback: () => 0 }).bind() };
    const found = findDeployment(namespace, "x" as ApplicationName, "Root-fallback" as DeploymentName);
    assert.equal(found.deployment.name, "Root-fallback");
  });

  it("is refused where it cannot answer", () => {
    const silent = deployment(Root as unknown as new () => Leaf, { fallback: leaf.bind() });
    assert.throws(() => load(silent.bind()), /Leaf cannot be the fallback of the ingress Root/);
    const pinging = deployment(Leaf as unknown as typeof Root, { fallback: () => 0 });
    assert.throws(() => load(deployment(Root).bind(pinging.bind())), /Leaf has neither fetch nor predict/);
    const given = (fallback: unknown) => () => deployment(Root, { fallback: fallback as () => unknown });
    for (const wrong of [Leaf, leaf, "Leaf", 3]) assert.throws(given(wrong), /fallback must be a bound deployment/);
  });

  it("is refused where it would let in whom the deployment asks for leave", () => {
    class Guarded extends Root {
      authorize(): void {}
    }
    assert.throws(
      () => load(deployment(Guarded, { fallback: () => 0 }).bind()),
      /Guarded-fallback, which has no authorize/,
    );
    assert.throws(() => load(deployment(Guarded, { fallback: deployment(Root).bind() }).bind()), /no authorize/);
    assert.equal(names(deployment(Guarded, { fallback: deployment(Guarded, { name: "b" }).bind() }).bind()).length, 2);
  });
});

describe("a replica", () => {
  it("finds its deployment by name, whatever named the application", () => {
    const namespace = { default: deployment(Root).bind(leaf.bind()) };
    const found = findDeployment(namespace, "given-at-deploy" as ApplicationName, "Leaf" as DeploymentName);
    assert.equal(found.deployment.target, Leaf);
    const missing = () => findDeployment(namespace, "x" as ApplicationName, "Other" as DeploymentName);
    assert.throws(missing, /has no deployment Other; it has Root, Leaf/);
  });

  it("gets handles in place of deployments and every other argument untouched", () => {
    const map = new Map([["a", 1]]);
    const graph = one(deployment(Root).bind("x", map, [leaf.bind(), { deep: leaf.bind() }]));
    const args = instantiateArgs(graph.deployments[0]?.args ?? [], (name) => `handle of ${name}`);
    assert.deepEqual(args, ["x", map, ["handle of Leaf", { deep: "handle of Leaf_2" }]]);
    assert.equal(args[1], map);
  });
});
