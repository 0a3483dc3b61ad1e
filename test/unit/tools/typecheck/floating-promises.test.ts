import assert from "node:assert/strict";
import { it } from "node:test";
import ts from "typescript";
import { findFloatingPromises } from "../../../../tools/typecheck/floating-promises.ts";

const CODE = `
declare function work(): Promise<number>;
declare function maybe(): Promise<void> | undefined;
declare function log(text: string): void;
declare function test(name: string, run: () => Promise<void>): Promise<void>;
declare let kept: Promise<number>;
async function all(): Promise<void> {
  work();
  maybe();
  work().then(String);
  void work();
  await work();
  kept = work();
  work().catch(String);
  work().then(String, String);
  log("x");
  test("x", async () => {});
}
`;

it("finds promises that nobody awaits, and no others", () => {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2024,
    strict: true,
    lib: ["lib.es2024.d.ts"],
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const readSource = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version) =>
    name === "code.ts" ? ts.createSourceFile(name, CODE, version, true) : readSource(name, version);
  const program = ts.createProgram(["code.ts"], options, host);
  const file = program.getSourceFile("code.ts");
  assert.ok(file !== undefined);
  const found = findFloatingPromises(file, program.getTypeChecker());
  assert.deepEqual(
    found.map(({ text }) => text),
    ["work();", "maybe();", "work().then(String);"],
  );
});
