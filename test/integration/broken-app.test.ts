/** Every way an application can be broken ends the deploy with 1 and the first cause, and what served before serves on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EXIT } from "../../cli/exit-code.ts";
import { post, startCluster, type TestCluster } from "./cluster.ts";

type BrokenApp = {
  readonly what: string;
  readonly text: string;
  /** The first cause: file and line of the user's source where it has one, else object and step. */
  readonly cause: RegExp;
};

const GOOD = `import { deployment } from "thornback";
class Echo {
  async predict(input: { n: number }) {
    return { n: input.n };
  }
}
export default deployment(Echo).bind();
`;

const BROKEN: readonly BrokenApp[] = [
  { what: "a syntax error", text: `${GOOD}\nclass {`, cause: /app\.ts:9:\d+/ },
  { what: "an import that does not resolve", text: `import "./nowhere.ts";\n${GOOD}`, cause: /app\.ts:1:\d+.*nowhere/ },
  { what: "a throw at import", text: `${GOOD}throw new Error("no luck");\n`, cause: /app\.ts:8:\d+.*no luck/s },
  { what: "no default export", text: GOOD.replace("export default", "export const app ="), cause: /default/ },
  {
    what: "a missing model file",
    text: `import { deployment } from "thornback";
import { OnnxModel } from "thornback/onnx";
class Echo {
  model = new OnnxModel("./nowhere.onnx");
  async predict() {}
}
export default deployment(Echo).bind();
`,
    cause: /app\.ts:4:.*nowhere\.onnx/,
  },
  {
    what: "a file that is not ONNX",
    text: `import { deployment } from "thornback";
import { OnnxModel } from "thornback/onnx";
class Echo {
  model = new OnnxModel("./text.onnx");
  async predict() {}
}
export default deployment(Echo).bind();
`,
    cause: /text\.onnx/,
  },
  {
    what: "a constructor that throws",
    text: GOOD.replace("class Echo {", 'class Echo {\n  constructor() {\n    throw new Error("no luck");\n  }'),
    cause: /app\.ts:4:\d+.*no luck|no luck.*app\.ts:4:\d+/s,
  },
  {
    what: "a setup that never resolves",
    text: GOOD.replace("class Echo {", "class Echo {\n  setup() {\n    return new Promise(() => {});\n  }").replace(
      "deployment(Echo)",
      "deployment(Echo, { startTimeoutMs: 1500 })",
    ),
    cause: /setup/,
  },
  {
    what: "process.exit(0)",
    text: `${GOOD}process.exit(0);\n`,
    cause: /process\.exit\(0\).*app\.ts:8:\d+|app\.ts:8:\d+.*process\.exit\(0\)/s,
  },
  {
    what: "process.exit(0) in a constructor",
    text: GOOD.replace("class Echo {", "class Echo {\n  constructor() {\n    process.exit(0);\n  }"),
    cause: /process\.exit\(0\).*app\.ts:4|app\.ts:4.*process\.exit\(0\)/s,
  },
  {
    what: "2 GB of output",
    text: `${GOOD}for (let i = 0; i < 2048; i++) process.stdout.write("x".repeat(1024 * 1024));\n`,
    cause: /output|print/,
  },
  {
    what: "a promise that never settles",
    text: `${GOOD}await new Promise(() => {});\n`,
    cause: /app\.ts|never|settle/,
  },
  {
    what: "a missing secret",
    text: GOOD.replace("{ deployment }", "{ deployment, secret }").replace(
      "deployment(Echo)",
      'deployment(Echo, { env: { KEY: secret("NO_SUCH_KEY") } })',
    ),
    cause: /NO_SUCH_KEY, which deployment Echo needs/,
  },
  {
    what: "wrong options",
    text: GOOD.replace("deployment(Echo)", "deployment(Echo, { numReplicas: -1 } as never)"),
    cause: /numReplicas/,
  },
];

let cluster: TestCluster;
let url = "";

before(async () => {
  cluster = await startCluster();
  cluster.project.write("text.onnx", "this is no model");
  cluster.project.write("app.ts", GOOD);
  const deployed = await cluster.serve(["deploy", "app.ts", "--name", "echo"]);
  assert.equal(deployed.code, 0, deployed.err);
  url = deployed.out.trim();
});
after(() => cluster.close());

for (const { what, text, cause } of BROKEN) {
  test(`${what} ends the deploy with its cause, and the version before serves on`, async () => {
    cluster.project.write("app.ts", text);
    const { code, err, out } = await cluster.serve(["deploy", "app.ts", "--name", "echo"]);
    assert.equal(code, EXIT.failed, `${out}${err}`.slice(0, 2_000));
    assert.match(err, cause);
    // The user's own frame is what helps; ours and Node's only hide it.
    assert.doesNotMatch(err, /node:internal|unexpected error in the command line/);
    assert.deepEqual((await post(url, { n: 1 })).body, { n: 1 });
  });
}

test("after all of that a correct deploy works as ever", async () => {
  cluster.project.write("app.ts", GOOD.replace("n: input.n }", "n: input.n + 1 }"));
  const deployed = await cluster.serve(["deploy", "app.ts", "--name", "echo"]);
  assert.equal(deployed.code, 0, deployed.err);
  assert.deepEqual((await post(url, { n: 1 })).body, { n: 2 });
});
