import { existsSync, globSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { root, SHIPPED, textOf, typescriptFiles, UNSHIPPED } from "../tree.ts";

/** Something a rule found. Lines count from 1. */
export type Problem = { readonly path: string; readonly line: number; readonly message: string };

/** One rule: its name is what `tidy-allow` refers to. */
export type Rule = { readonly name: string; readonly check: (tree: SourceTree) => Problem[] };

/** The texts that rules look at, with their syntax trees made once. */
export class SourceTree {
  /** TypeScript files. */
  readonly paths: readonly string[];
  /** Markdown files. */
  readonly documents: readonly string[];
  /** Whether there is such a file or folder in the repository, of whatever kind. */
  readonly exists: (path: string) => boolean;
  readonly #texts: ReadonlyMap<string, string>;
  readonly #parsed = new Map<string, ts.SourceFile>();

  constructor(texts: ReadonlyMap<string, string>, exists = (path: string) => texts.has(path)) {
    this.#texts = texts;
    this.exists = exists;
    this.paths = [...texts.keys()].filter((path) => path.endsWith(".ts"));
    this.documents = [...texts.keys()].filter((path) => path.endsWith(".md"));
  }

  /** Whether there is such a file. */
  has(path: string): boolean {
    return this.#texts.has(path);
  }

  /** The lines of a file; none when there is no such file. */
  lines(path: string): readonly string[] {
    return (this.#texts.get(path) ?? "").split("\n");
  }

  /** The syntax tree of a file. */
  parse(path: string): ts.SourceFile {
    const known = this.#parsed.get(path);
    if (known !== undefined) return known;
    const file = ts.createSourceFile(path, this.#texts.get(path) ?? "", ts.ScriptTarget.ESNext, true);
    this.#parsed.set(path, file);
    return file;
  }

  /** Paths of the files of shipped components. */
  shipped(): readonly string[] {
    return this.paths.filter((path) => SHIPPED.some((component) => path.startsWith(`${component}/`)));
  }

  /** Whether a comment on the line, or on the one above, excuses it from the rule and says why. */
  isAllowed(path: string, line: number, rule: string): boolean {
    const lines = this.lines(path);
    const near = `${lines[line - 2] ?? ""}\n${lines[line - 1] ?? ""}`;
    return new RegExp(`tidy-allow ${rule}: \\S`).test(near);
  }
}

/** The repository as it lies on disk. */
export function readTree(): SourceTree {
  const documents = globSync(["*.md", "docs/**/*.md", "examples/*/*.md", "bench/**/*.md"], { cwd: root }).sort();
  const paths = [...typescriptFiles([...SHIPPED, ...UNSHIPPED]), ...documents];
  return new SourceTree(new Map(paths.map((path) => [path, textOf(path)])), (path) => existsSync(join(root, path)));
}

/** The line of a node's first character, comments not counted. */
export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

/** Calls back for a node and all nodes in it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}
