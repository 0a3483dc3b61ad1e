import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidSpecError } from "../../../core/error.ts";
import { LEAST_MEMORY_LIMIT_BYTES } from "../../../core/limits.ts";
import { parseApplicationSpec, parseBundleManifest } from "../../../core/spec-validate.ts";

const DIGEST = "a".repeat(64);
const GOOD = {
  name: "digits",
  routePrefix: "/",
  ingress: "Gateway",
  ingressKind: "predict",
  deployments: [{ name: "Gateway", version: "0123456789ab", options: {} }],
  bundle: DIGEST,
  nativePackages: [],
  openapi: {},
};

function problemsOf(parse: () => unknown): readonly string[] {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof InvalidSpecError);
    return (error.details.problems ?? []).map(({ path }) => path);
  }
  return assert.fail("nothing was refused");
}

describe("parseApplicationSpec", () => {
  it("fills in every default of a deployment's options", () => {
    const { options } = parseApplicationSpec(GOOD).deployments[0] ?? assert.fail();
    assert.equal(options.numReplicas, 1);
    assert.equal(options.autoscaling, undefined);
    assert.equal(options.maxOngoingRequests, undefined);
    assert.equal(options.maxQueuedRequests, 1_000);
    assert.equal(options.requestTimeoutMs, 60_000);
    assert.equal(options.maxRequestBodyBytes, 8 * 1024 * 1024);
    assert.equal(options.resources.cpus, 0.1);
  });

  it("refuses a memory limit that every process is above, and takes 0 for none", () => {
    const parse = (memoryLimitBytes: number): unknown =>
      parseApplicationSpec({ ...GOOD, deployments: [{ ...GOOD.deployments[0], options: { memoryLimitBytes } }] });
    assert.deepEqual(
      problemsOf(() => parse(LEAST_MEMORY_LIMIT_BYTES - 1)),
      ["deployments.Gateway.memoryLimitBytes"],
    );
    parse(LEAST_MEMORY_LIMIT_BYTES);
    parse(0);
  });

  it("refuses a fallback that asks nobody for leave where the deployment does", () => {
    const version = "0123456789ab";
    const deployments = [
      { name: "Gateway", version, options: { fallback: "Open" }, hasAuthorize: true },
      { name: "Open", version, options: {}, hasAuthorize: false },
    ];
    assert.deepEqual(
      problemsOf(() => parseApplicationSpec({ ...GOOD, deployments })),
      ["deployments.Gateway.fallback"],
    );
  });

  it("reads what it wrote: a specification survives JSON", () => {
    const autoscaling = { minReplicas: 1, maxReplicas: 3 };
    const deployments = [
      {
        name: "Gateway",
        version: "0123456789ab",
        options: { autoscaling, userConfig: { a: [1] } },
        hasAuthorize: true,
      },
    ];
    const spec = parseApplicationSpec({ ...GOOD, deployments });
    assert.deepEqual(parseApplicationSpec(JSON.parse(JSON.stringify(spec))), spec);
  });

  it("lists every problem at once, each with its path", () => {
    const options = {
      numReplicas: -1,
      replicas: 2,
      resources: { gpus: 1.5, cpus: "many" },
      env: { "1X": "a", KEY: 3, NODE_OPTIONS: "--inspect" },
      autoscaling: { minReplicas: 4, maxReplicas: 2 },
      routing: "fastest",
      userConfig: { when: new Date(0) },
    };
    const paths = problemsOf(() =>
      parseApplicationSpec({
        ...GOOD,
        name: "Digits!",
        ingress: "Other",
        bundle: "xyz",
        deployments: [{ name: "Gateway", version: "1", options }],
      }),
    );
    assert.deepEqual(paths.toSorted(), [
      "bundle",
      "deployments.Gateway.autoscaling.minReplicas",
      "deployments.Gateway.env.1X",
      "deployments.Gateway.env.KEY",
      "deployments.Gateway.env.NODE_OPTIONS",
      "deployments.Gateway.numReplicas",
      "deployments.Gateway.replicas",
      "deployments.Gateway.resources.cpus",
      "deployments.Gateway.resources.gpus",
      "deployments.Gateway.routing",
      "deployments.Gateway.userConfig.when",
      "deployments.Gateway.version",
      "ingress",
      "name",
    ]);
  });

  it("refuses a fallback that is none of the deployments", () => {
    const deployments = [{ name: "Gateway", version: "0123456789ab", options: { fallback: "Small" } }];
    assert.deepEqual(
      problemsOf(() => parseApplicationSpec({ ...GOOD, deployments })),
      ["deployments.Gateway.fallback"],
    );
  });

  it("refuses names that every object has a member of", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      const deployments = [{ ...GOOD.deployments[0], name }];
      const paths = problemsOf(() => parseApplicationSpec({ ...GOOD, ingress: name, deployments }));
      assert.deepEqual(paths, ["deployments[0].name", "ingress"]);
    }
    assert.deepEqual(
      problemsOf(() => parseApplicationSpec({ ...GOOD, name: "constructor" })),
      ["name"],
    );
  });

  it("refuses two deployments of one name", () => {
    const twice = [...GOOD.deployments, ...GOOD.deployments];
    assert.deepEqual(
      problemsOf(() => parseApplicationSpec({ ...GOOD, deployments: twice })),
      ["deployments.Gateway"],
    );
  });

  it("refuses user configuration that contains itself", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    const deployments = [{ name: "Gateway", version: "0123456789ab", options: { userConfig: loop } }];
    assert.equal(problemsOf(() => parseApplicationSpec({ ...GOOD, deployments })).length, 1);
  });

  for (const value of [null, "x", 3, [], undefined]) {
    it(`refuses ${JSON.stringify(value)} in place of a specification`, () => {
      assert.ok(problemsOf(() => parseApplicationSpec(value)).includes(""));
    });
  }

  for (const [prefix, expected] of [
    ["/", "/"],
    ["/a/b", "/a/b"],
    ["/a/", "/a"],
  ] as const) {
    it(`takes the route prefix ${prefix}`, () => {
      assert.equal(parseApplicationSpec({ ...GOOD, routePrefix: prefix }).routePrefix, expected);
    });
  }

  for (const prefix of ["", "a", "//", "/a//b", "/../x", "/a/./b", "/-/livez", "/a?b", "/ü", "/a%2f", "/a b"]) {
    it(`refuses the route prefix ${JSON.stringify(prefix)}`, () => {
      assert.deepEqual(
        [...new Set(problemsOf(() => parseApplicationSpec({ ...GOOD, routePrefix: prefix })))],
        ["routePrefix"],
      );
    });
  }
});

describe("parseBundleManifest", () => {
  const file = (path: string) => ({ path, digest: DIGEST, bytes: 1 });
  const manifest = (...paths: string[]) => ({
    schema: 1,
    entry: "app.mjs",
    projectDir: "/x",
    files: ["app.mjs", ...paths].map(file),
  });

  it("takes files in folders", () => {
    assert.equal(parseBundleManifest(manifest("models/a.onnx", "b c.json")).files.length, 3);
  });

  for (const path of [
    "../x",
    "/etc/passwd",
    "a/../b",
    "a//b",
    "./a",
    "a/",
    "a\\b",
    "C:/x",
    "a\0b",
    "",
    "APP.MJS",
    "app.mjs/x",
  ]) {
    it(`refuses the path ${JSON.stringify(path)}`, () => {
      assert.ok(problemsOf(() => parseBundleManifest(manifest(path))).length > 0);
    });
  }

  it("refuses an entry that is not among the files", () => {
    assert.deepEqual(
      problemsOf(() => parseBundleManifest({ ...manifest(), entry: "other.mjs" })),
      ["entry"],
    );
  });

  it("refuses too many files", () => {
    const many = Array.from({ length: 10_001 }, (_, index) => `f${index}`);
    assert.ok(problemsOf(() => parseBundleManifest(manifest(...many))).includes("files"));
  });

  it("refuses a manifest of a later schema", () => {
    assert.ok(problemsOf(() => parseBundleManifest({ ...manifest(), schema: 2 })).includes("schema"));
  });
});
