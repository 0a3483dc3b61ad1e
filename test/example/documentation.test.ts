import assert from "node:assert/strict";
import { stripTypeScriptTypes } from "node:module";
import { describe, it } from "node:test";
import { docExamples, examplesIn } from "../../tools/doc-examples.ts";

/** As an importable address, with its packages resolved from here: an address that holds code has no folder. */
function importable(code: string): string {
  const script = stripTypeScriptTypes(code).replaceAll(
    /(from |import\()"([^".][^"]*)"/g,
    (_, before: string, name: string) => `${before}${JSON.stringify(import.meta.resolve(name))}`,
  );
  return `data:text/javascript,${encodeURIComponent(script)}`;
}

describe("programs in documentation", () => {
  for (const { path, line, code } of docExamples()) {
    // A program that asks a running cluster is run against one by the integration tests; here it has to parse.
    const asksCluster = code.includes("thornback/client");
    it(`${path}:${line} ${asksCluster ? "parses" : "runs"}`, { timeout: 20_000 }, async () => {
      if (asksCluster) assert.ok(stripTypeScriptTypes(code).length > 0);
      else await import(importable(code));
    });
  }

  it("are found in TSDoc and in Markdown, whole and with their line, and sketches are left out", () => {
    const source = '/**\n * @example\n * ```ts\n * import "thornback";\n *\n * const x = 1;\n * ```\n */\n';
    assert.deepEqual(examplesIn(source), [{ line: 4, code: 'import "thornback";\n\nconst x = 1;\n' }]);
    const page = 'Text\n\n```ts\nimport "thornback";\n```\n\n```ts\nimport "x";\n…\n```\n\n```sh\nimport x\n```\n';
    assert.deepEqual(examplesIn(page), [{ line: 4, code: 'import "thornback";\n' }]);
  });
});
