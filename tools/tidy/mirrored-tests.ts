import ts from "typescript";
import type { Rule } from "./source-tree.ts";

/** Decisions are the part of the system that can be tested wholly, so each one is. Files of types alone decide nothing. */
export const mirroredTests: Rule = {
  name: "mirrored-tests",
  check(tree) {
    const decisions = tree.shipped().filter((path) => path.includes("/decide/") && decides(tree.parse(path)));
    return decisions
      .map((path) => ({ path, test: `test/unit/${path.replace(/\.ts$/, ".test.ts")}` }))
      .filter(({ test }) => !tree.has(test))
      .map(({ path, test }) => ({
        path,
        line: 1,
        message: `every decision has a unit test of its own: write ${test}`,
      }));
  },
};

function decides(file: ts.SourceFile): boolean {
  return file.statements.some((statement) => ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement));
}
