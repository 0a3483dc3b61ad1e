import ts from "typescript";
import { lineOf, walk, type Problem, type Rule } from "./source-tree.ts";

/** A test that sleeps is slow when it passes and wrong when the machine is busy. */
export const testWaits: Rule = {
  name: "test-waits",
  check(tree) {
    const tests = tree.paths.filter((path) => path.startsWith("test/") && !path.startsWith("test/fixture/"));
    return tests.flatMap((path) => {
      const file = tree.parse(path);
      const problems: Problem[] = [];
      const message =
        "tests do not sleep: wait for the event, or advance the manual clock (a poll of a process says why)";
      walk(file, (node) => {
        if (isSleep(node)) problems.push({ path, line: lineOf(file, node), message });
      });
      return problems;
    });
  },
};

function isSleep(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) {
    const from = ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : "";
    return from === "timers/promises" || from === "node:timers/promises";
  }
  // `new Promise((resolve) => setTimeout(resolve, 50))` and its relatives.
  if (!ts.isNewExpression(node) || node.expression.getText() !== "Promise") return false;
  const executor = node.arguments?.[0];
  if (executor === undefined || (!ts.isArrowFunction(executor) && !ts.isFunctionExpression(executor))) return false;
  const body = ts.isBlock(executor.body) ? executor.body.statements : [executor.body];
  if (body.length !== 1) return false;
  const [only] = body;
  const call = only !== undefined && ts.isExpressionStatement(only) ? only.expression : only;
  return call !== undefined && ts.isCallExpression(call) && call.expression.getText() === "setTimeout";
}
