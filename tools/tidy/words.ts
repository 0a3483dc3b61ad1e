import ts from "typescript";
import { lineOf, walk, type Problem, type Rule, type SourceTree } from "./source-tree.ts";

/** Words of other systems for things that have a name here, and endings that add nothing. */
const NAMES: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /(Manager|Helper|Helpers|Util|Utils|Impl)$/, instead: "a name for what it does" },
  { pattern: /^I[A-Z][a-z]+[A-Z]/, instead: "the name without the I" },
  { pattern: /Pod(s|$|[A-Z])/, instead: "replica" },
  { pattern: /(Backlog|backlog)/, instead: "queued" },
  { pattern: /(InFlight|inFlight|Inflight|inflight)/, instead: "ongoing" },
  { pattern: /(^ttl|T[Tt][Ll]$|Ttl[A-Z])/, instead: "lease, or expiresAt" },
  { pattern: /(^|[a-z])(Master|Slave)/, instead: "controller" },
  { pattern: /(Timeout|Interval|Delay|Period|Duration)$/, instead: "a name with its unit, such as …Ms" },
];

/** Text that belongs to somebody's machine or to a to-do list, not to the repository. Tests may make up paths. */
const MACHINE_PATH = {
  pattern: /(^|["'`\s(])\/(home|root|Users|work)\//,
  message: "a path of one machine: use one relative to the file",
};
const TEXTS: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /\b(TODO|FIXME|XXX|HACK)\b/, message: "do it, or say in CHANGELOG.md that it is missing" },
];

/** One word for one thing, in code as in documents; the glossary is in CONTRIBUTING.md. */
export const words: Rule = {
  name: "words",
  check: (tree) => [...tree.shipped().flatMap((path) => forbiddenNames(path, tree)), ...forbiddenTexts(tree)],
};

function forbiddenNames(path: string, tree: SourceTree): Problem[] {
  const file = tree.parse(path);
  const problems: Problem[] = [];
  walk(file, (node) => {
    const name = declaredName(node);
    if (name === undefined) return;
    const found = NAMES.find(({ pattern }) => pattern.test(name));
    if (found !== undefined) {
      problems.push({ path, line: lineOf(file, node), message: `${name}: say ${found.instead}` });
    }
  });
  return problems;
}

/** Functions, classes, types, and the fields of types; locals may be as short as their scope. */
function declaredName(node: ts.Node): string | undefined {
  const isNamed =
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isPropertySignature(node);
  if (!isNamed || node.name === undefined) return undefined;
  return ts.isIdentifier(node.name) ? node.name.text : undefined;
}

function forbiddenTexts(tree: SourceTree): Problem[] {
  const looked = tree.paths.filter((path) => !path.startsWith("test/fixture/") && !path.includes("tidy"));
  return looked.flatMap((path) =>
    tree.lines(path).flatMap((text, index): Problem[] => {
      const forbidden = path.startsWith("test/") ? TEXTS : [MACHINE_PATH, ...TEXTS];
      const found = forbidden.find(({ pattern }) => pattern.test(text));
      return found === undefined ? [] : [{ path, line: index + 1, message: found.message }];
    }),
  );
}
