import { globSync } from "node:fs";
import { root, textOf } from "./tree.ts";

/** A program in documentation. It stands on its own: it imports what it uses. */
export type DocExample = {
  /** File it stands in, relative to the root. */
  readonly path: string;
  /** Line of the file that holds its first line. */
  readonly line: number;
  readonly code: string;
};

/** Files whose examples are programs that users copy. */
const SOURCES = [
  "sdk/*.ts",
  "sdk/testing/*.ts",
  "session/onnx-model.ts",
  "README.md",
  "docs/*.md",
  "examples/*/README.md",
];

/** Every complete TypeScript program in TSDoc and Markdown; one with an ellipsis is a sketch, and left out. */
export function docExamples(): DocExample[] {
  const paths = globSync(SOURCES, { cwd: root, exclude: ["docs/api.md"] }).sort();
  return paths.flatMap((path) => examplesIn(textOf(path)).map((example) => ({ path, ...example })));
}

/** The programs in one text. */
export function examplesIn(text: string): { readonly line: number; readonly code: string }[] {
  const found: { line: number; code: string }[] = [];
  let open: { line: number; lines: string[] } | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const inner = raw.replace(/^\s*\* ?/, "");
    const isFence = inner.trimStart().startsWith("```");
    if (open === undefined) {
      if (/^\s*```(ts|typescript)\b/.test(inner)) open = { line: index + 2, lines: [] };
    } else if (isFence) {
      const code = open.lines.join("\n");
      if (/^import /m.test(code) && !code.includes("…")) found.push({ line: open.line, code: `${code}\n` });
      open = undefined;
    } else {
      // A line of TSDoc begins with a star; one of Markdown keeps its own, as a list or an operator may begin with it.
      open.lines.push(/^\s*\*( |$)/.test(raw) ? inner : raw);
    }
  }
  return found;
}
