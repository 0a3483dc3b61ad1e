import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import { readServeFile, type ServeEntry } from "../../../cli/serve-file.ts";
import { DEPLOYMENT_OPTION_NAMES } from "../../../core/deployment-options.ts";

const folder = mkdtempSync(path.join(tmpdir(), "thornback-yaml-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const UNNAMED = { name: undefined, routePrefix: undefined };

function read(
  text: string,
  values: Record<string, string> = {},
  named: { name?: string; routePrefix?: string } = {},
): readonly ServeEntry[] {
  const file = path.join(folder, "serve.yaml");
  writeFileSync(file, text);
  return readServeFile(file, values, { ...UNNAMED, ...named });
}

function refusal(text: string, values: Record<string, string> = {}, named: { name?: string } = {}): string {
  try {
    read(text, values, named);
  } catch (error) {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, EXIT.refused);
    return error.message;
  }
  throw new Error("it was accepted");
}

test("one application stands at the top level, its file found beside the YAML", () => {
  const [entry] = read(
    "import: ./src/app.ts\nname: digits\nroutePrefix: /digits\ndeployments:\n  Classifier: { numReplicas: 2 }\n",
  );
  assert.equal(entry?.file, path.join(folder, "src", "app.ts"));
  assert.equal(entry?.name, "digits");
  assert.deepEqual(entry?.deployments, { Classifier: { numReplicas: 2 } });
});

test("several applications stand in a list, and flags win over the file where they can mean one only", () => {
  const text = "applications:\n  - import: a.ts\n    routePrefix: /a\n  - import: b.ts\n    routePrefix: /b\n";
  assert.deepEqual(
    read(text).map((entry) => entry.routePrefix),
    ["/a", "/b"],
  );
  assert.match(refusal(text, {}, { name: "x" }), /lists several/);
  assert.equal(read("import: a.ts\nname: one\n", {}, { name: "two" })[0]?.name, "two");
});

test("variables are filled in, with defaults and escapes, and keep the kind they read as", () => {
  const text =
    "import: a.ts\ndeployments:\n  A: { numReplicas: '${N}', env: { U: 'x-${USER}-${NONE:-y}', P: '$${HOME}' } }\n";
  assert.deepEqual(read(text, { N: "3", USER: "ann" })[0]?.deployments, {
    A: { numReplicas: 3, env: { U: "x-ann-y", P: "${HOME}" } },
  });
});

test("what YAML reads as a number in an environment is text", () => {
  const [entry] = read("import: a.ts\nenv: { PORT: 80 }\ndeployments: { A: { env: { DEBUG: true } } }\n");
  assert.deepEqual(entry?.env, { PORT: "80" });
  assert.deepEqual(entry?.deployments, { A: { env: { DEBUG: "true" } } });
});

test("every problem is listed with its path", () => {
  const message = refusal("improt: a.ts\nname: Not A Name\nenv: 3\ndeployments: { A: { x: '${NOPE}' } }\n");
  for (const part of [
    /improt is not known here/,
    /import must be/,
    /name must be/,
    /env must be an object/,
    /deployments\.A\.x uses \$\{NOPE\}/,
  ]) {
    assert.match(message, part);
  }
});

test("keys and CORS are read with every default, and refused with their paths", () => {
  const sha256 = "ab".repeat(32);
  const [entry] = read(
    `import: a.ts\naccess: { keys: [{ name: alice, sha256: '\${ALICE}' }] }\ncors: { origins: '*' }\n`,
    {
      ALICE: sha256,
    },
  );
  assert.equal(entry?.access?.keys[0]?.sha256, sha256);
  assert.equal(entry?.cors?.origins, "*");
  assert.match(refusal("import: a.ts\naccess: { keys: [] }\n"), /access\.keys must hold at least one key/);
});

test("what is no YAML is refused with its line", () => {
  assert.match(refusal("import: [a.ts\nname: x\n"), /is not YAML: .*line \d+/s);
});

test("the published schema knows every option of a deployment and no other", () => {
  const schema = JSON.parse(readFileSync(new URL("../../../cli/serve.schema.json", import.meta.url), "utf8")) as {
    $defs: { deployment: { properties: Record<string, unknown> } };
  };
  assert.deepEqual(Object.keys(schema.$defs.deployment.properties).sort(), [...DEPLOYMENT_OPTION_NAMES].sort());
});
