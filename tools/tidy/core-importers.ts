import { posix } from "node:path";
import ts from "typescript";
import type { Rule, SourceTree } from "./source-tree.ts";

const FEWEST = 2;

/**
 * core holds what two components share; a file that one component needs lives there. A core file that other core files
 * use counts their importers as its own.
 */
export const coreImporters: Rule = {
  name: "core-importers",
  check(tree) {
    const importersOf = importers(tree);
    return tree.paths
      .filter((path) => path.startsWith("core/"))
      .map((path) => ({ path, components: componentsThatNeed(path, importersOf) }))
      .filter(({ components }) => components.size < FEWEST)
      .map(({ path, components }) => {
        const who = components.size === 0 ? "no component imports this" : `only ${[...components].join()} imports this`;
        return { path, line: 1, message: `${who}: move it there, or remove it; core is for what two components share` };
      });
  },
};

type Importers = ReadonlyMap<string, ReadonlySet<string>>;

/** Which files import each core file: those of the package, and the simulation, which stands for an executable user. */
function importers(tree: SourceTree): Importers {
  const result = new Map<string, Set<string>>();
  for (const path of [...tree.shipped(), ...tree.paths.filter((each) => each.startsWith("sim/"))]) {
    for (const target of relativeImports(tree.parse(path))) {
      const resolved = posix.join(posix.dirname(path), target);
      if (!resolved.startsWith("core/")) continue;
      const known = result.get(resolved) ?? new Set();
      result.set(resolved, known.add(path));
    }
  }
  return result;
}

function componentsThatNeed(path: string, importersOf: Importers): ReadonlySet<string> {
  const components = new Set<string>();
  const seen = new Set<string>([path]);
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const importer of importersOf.get(next) ?? []) {
      const component = importer.split("/")[0] ?? "";
      if (component !== "core") components.add(component);
      else if (!seen.has(importer)) waiting.push(importer);
      seen.add(importer);
    }
  }
  return components;
}

/** Specifiers of static imports, exports-from and dynamic imports that start with a dot. */
export function relativeImports(file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isStatic = (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier;
    const isDynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const specifier = isStatic ? node.moduleSpecifier : isDynamic ? node.arguments[0] : undefined;
    if (specifier !== undefined && ts.isStringLiteral(specifier) && specifier.text.startsWith(".")) {
      found.push(specifier.text);
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
      if (node.argument.literal.text.startsWith(".")) found.push(node.argument.literal.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
