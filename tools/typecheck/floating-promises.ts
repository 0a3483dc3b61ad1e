import ts from "typescript";

/** A statement whose value is a promise that nobody takes. */
export type FloatingPromise = { readonly fileName: string; readonly line: number; readonly text: string };

/**
 * Finds statements that are a promise and nothing else. `void promise` says that it is meant; a call of node:test's
 * `test` or `describe` is one, because the runner keeps those itself.
 */
export function findFloatingPromises(file: ts.SourceFile, checker: ts.TypeChecker): FloatingPromise[] {
  const found: FloatingPromise[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isExpressionStatement(node) && isFloating(node.expression, checker)) {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
      found.push({ fileName: file.fileName, line: line + 1, text: node.getText(file).split("\n")[0] ?? "" });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

const RUNNER_CALLS = new Set(["test", "it", "describe", "suite"]);
/** A chain that ends in one of these has taken its failure in hand. */
const HANDLED_BY = new Set(["catch"]);

function isFloating(expression: ts.Expression, checker: ts.TypeChecker): boolean {
  if (ts.isAwaitExpression(expression) || ts.isVoidExpression(expression)) return false;
  if (ts.isBinaryExpression(expression) && isAssignment(expression.operatorToken.kind)) return false;
  if (ts.isCallExpression(expression)) {
    const callee = expression.expression;
    if (ts.isIdentifier(callee) && RUNNER_CALLS.has(callee.text)) return false;
    if (ts.isPropertyAccessExpression(callee)) {
      if (ts.isIdentifier(callee.expression) && RUNNER_CALLS.has(callee.expression.text)) return false;
      if (HANDLED_BY.has(callee.name.text)) return false;
      if (callee.name.text === "then" && expression.arguments.length === 2) return false;
    }
  }
  return isThenable(checker.getTypeAtLocation(expression), checker);
}

function isAssignment(kind: ts.SyntaxKind): boolean {
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

function isThenable(type: ts.Type, checker: ts.TypeChecker): boolean {
  if (type.isUnion()) return type.types.some((part) => isThenable(part, checker));
  if ((type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.Never)) !== 0) return false;
  const then = type.getProperty("then");
  if (then === undefined) return false;
  return checker.getTypeOfSymbol(then).getCallSignatures().length > 0;
}
