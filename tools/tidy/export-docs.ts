import ts from "typescript";
import { lineOf, type Problem, type Rule } from "./source-tree.ts";

/** What stands under an export's name on hover is the documentation most readers see. */
export const exportDocs: Rule = {
  name: "export-docs",
  check(tree) {
    return tree.shipped().flatMap((path) => undocumented(path, tree.parse(path)));
  },
};

function undocumented(path: string, file: ts.SourceFile): Problem[] {
  const documented = new Set<string>();
  const problems: Problem[] = [];
  for (const statement of file.statements) {
    if (!isExported(statement)) continue;
    const name = nameOf(statement);
    // An overloaded function is documented once, at its first signature.
    if (name === undefined || documented.has(name)) continue;
    if (hasDoc(statement)) {
      documented.add(name);
      continue;
    }
    const message = `${name} has no TSDoc: say in one line what it is for (unit, default and @throws where it has them)`;
    problems.push({ path, line: lineOf(file, statement), message });
  }
  return problems;
}

function isExported(statement: ts.Statement): boolean {
  if (!ts.canHaveModifiers(statement)) return false;
  return ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** undefined: a re-export, documented where it is declared. */
function nameOf(statement: ts.Statement): string | undefined {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations[0]?.name.getText();
  const isDeclaration =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return isDeclaration ? (statement.name?.text ?? "default") : undefined;
}

function hasDoc(statement: ts.Statement): boolean {
  return ts.getJSDocCommentsAndTags(statement).some((doc) => ts.isJSDoc(doc) && (doc.comment ?? "") !== "");
}
