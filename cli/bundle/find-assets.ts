import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { SourceMap } from "node:module";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { InvalidSpecError } from "../../core/error.ts";
import type { Problem } from "../../core/error.ts";
import { shownPath } from "./build.ts";

/**
 * Finds the files that user code names: `new OnnxModel("./x.onnx")`, relative to the folder of app.ts, and
 * `new URL("./x", import.meta.url)`, relative to the module it stands in. The bundle is scanned, not the sources: there
 * types and comments are gone, strings are printed one way, and the source map still tells file and line. Every name is
 * rewritten where the file's place in the bundle differs from it.
 */

/** A file to ship: where it goes in the bundle, and where it is now. */
export type Asset = { readonly path: string; readonly source: string };

/** The bundle with the names of its assets put right. */
export type WithAssets = { readonly code: string; readonly assets: readonly Asset[] };

const STRING = String.raw`"((?:[^"\\\n]|\\.)*)"`;
const URL_PATTERN = String.raw`new URL\(\s*${STRING},\s*import\.meta\.url\s*\)`;
const ONNX_IMPORT = /import\s*(?:\{([^}]*)\}|\*\s*as\s+([\w$]+))\s*from\s*"thornback\/onnx"/g;
/** Folder of the bundle for files from outside the folder of app.ts. */
const OUTSIDE_DIR = "assets";

type Mention = {
  readonly kind: "model" | "url";
  /** Of the string itself, quotes included. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
};

/** What the search needs to know. */
export type FindAssetsInput = {
  readonly code: string;
  readonly map: string;
  readonly projectDir: string;
  readonly cwd: string;
};

/**
 * Finds the files that a bundle names, and rewrites the names that are not right inside it.
 *
 * @throws {InvalidSpecError} when a file that the user's own code names is not there; lists all, with file and line
 */
export function findAssets(input: FindAssetsInput): WithAssets {
  const { code, map, projectDir, cwd } = input;
  const mentions = findMentions(code);
  if (mentions.length === 0) return { code, assets: [] };
  const lines = new LineIndex(code);
  const sourceMap = new SourceMap(JSON.parse(map));
  const assets = new Map<string, Asset>();
  const missing: Problem[] = [];
  let rewritten = "";
  let last = 0;
  for (const mention of mentions) {
    const { line, column } = lines.at(mention.start);
    const entry = sourceMap.findEntry(line, column);
    const module = "originalSource" in entry ? resolve(projectDir, entry.originalSource) : join(projectDir, "app.ts");
    const base = mention.kind === "model" ? projectDir : dirname(module);
    const source = resolve(base, mention.text);
    if (!isFile(source)) {
      // A dependency may name files that only some of its builds have.
      if (module.includes(`${sep}node_modules${sep}`)) continue;
      const at =
        "originalLine" in entry ? `${shownPath(module, cwd)}:${entry.originalLine + 1}` : shownPath(module, cwd);
      const what = mention.kind === "model" ? "model" : "file";
      missing.push({
        path: at,
        message: `${what} ${mention.text} does not exist: looked for ${shownPath(source, cwd)}`,
      });
      continue;
    }
    const path = bundlePath(source, projectDir);
    assets.set(path, { path, source });
    const isInPlace = mention.kind === "model" && !path.startsWith(`${OUTSIDE_DIR}/`);
    if (isInPlace) continue;
    rewritten += code.slice(last, mention.start) + JSON.stringify(`./${path}`);
    last = mention.end;
  }
  if (missing.length > 0) {
    const text = missing.map(({ path, message }) => `${path}: ${message}`).join("\n");
    throw new InvalidSpecError(text, { details: { problems: missing } });
  }
  return { code: rewritten + code.slice(last), assets: [...assets.values()] };
}

/** Where a file goes: beside app.mjs as it is beside app.ts, or by a name of its own when it is from elsewhere. */
export function bundlePath(source: string, projectDir: string): string {
  const path = relative(projectDir, source).split(sep).join("/");
  if (!path.startsWith("../") && path !== "app.mjs" && path !== "app.mjs.map") return path;
  const unique = createHash("sha256").update(path).digest("hex").slice(0, 12);
  return `${OUTSIDE_DIR}/${unique}-${basename(source)}`;
}

function findMentions(code: string): readonly Mention[] {
  const mentions = [...code.matchAll(new RegExp(URL_PATTERN, "g"))].map((match) => mentionOf("url", match));
  const names = onnxModelNames(code);
  if (names.length > 0) {
    const pattern = new RegExp(String.raw`new (?:${names.join("|")})\(\s*${STRING}`, "g");
    mentions.push(...[...code.matchAll(pattern)].map((match) => mentionOf("model", match)));
  }
  const isLocal = ({ kind, text }: Mention): boolean =>
    kind === "url" ? !/^(?:[a-z][a-z0-9+.-]*:|\/|$)/i.test(text) : !/^(?:[a-z][a-z0-9+.-]*:\/\/|\/)/i.test(text);
  return mentions.filter(isLocal).sort((a, b) => a.start - b.start);
}

function mentionOf(kind: Mention["kind"], match: RegExpExecArray): Mention {
  const quoted = `"${match[1] ?? ""}"`;
  const start = match.index + match[0].indexOf(quoted);
  const literal = JSON.parse(quoted.replaceAll(/\\([^"\\/bfnrtu])/g, "$1")) as string;
  // A URL's query and escapes are no part of a file's name.
  const text = kind === "url" ? decodeURIComponent(literal.replace(/[?#].*$/, "")) : literal;
  return { kind, start, end: start + quoted.length, text };
}

/** How the bundle calls OnnxModel: as it was imported, or with the number that esbuild tells two apart by. */
function onnxModelNames(code: string): readonly string[] {
  const names: string[] = [];
  for (const [, list, namespace] of code.matchAll(ONNX_IMPORT)) {
    if (namespace !== undefined) names.push(String.raw`${namespace.replaceAll("$", String.raw`\$`)}\.OnnxModel`);
    for (const item of list?.split(",") ?? []) {
      const [imported, local] = item.trim().split(/\s+as\s+/);
      if (imported === "OnnxModel") names.push((local ?? imported).replaceAll("$", String.raw`\$`));
    }
  }
  return names;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Offsets of a text → its lines and columns, both from 0. */
class LineIndex {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#starts.push(at + 1);
  }

  at(offset: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low, column: offset - (this.#starts[low] ?? 0) };
  }
}
