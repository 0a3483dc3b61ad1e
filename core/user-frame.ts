/**
 * Finds the user's own line in a stack trace, for messages that must name it. Stacks are read as text: with source maps
 * enabled, Node has put the names of the user's sources into it.
 */

/** A function or class, as V8 leaves it and what is above it out of a stack. */
type Callee = ((...args: never[]) => unknown) | (abstract new (...args: never[]) => unknown);

/** Folder of this package, with a slash at its end. */
const ROOT = decodeURIComponent(new URL("..", import.meta.url).pathname);
/** Folders of this package whose frames are never the user's. Examples and tests lie in the repository and are. */
const OWN = new Set([
  "batching",
  "controller",
  "core",
  "dist",
  "proto",
  "proxy",
  "routing",
  "sdk",
  "session",
  "sim",
  "worker",
]);

const FRAME = /(?:\(|at (?:async )?)((?:file:\/\/|\/)[^()]*?):(\d+):(\d+)\)?$/;
/** How Node begins the stack of a syntax error in a module: the place alone on a line, then the source text. */
const SYNTAX = /^((?:file:\/\/|\/).*?):(\d+)$/;

/** A place in a source file. Paths are absolute. */
export type SourceLocation = { readonly path: string; readonly line: number; readonly column: number };

/** The topmost frame that is neither Node's nor ours; undefined without one. */
export function userFrame(stack: string): SourceLocation | undefined {
  for (const text of stack.split("\n")) {
    const match = FRAME.exec(text.trim()) ?? SYNTAX.exec(text);
    const file = match?.[1];
    if (match === null || file === undefined) continue;
    const path = file.startsWith("file://") ? decodeURIComponent(file.slice("file://".length)) : file;
    if (isOwn(path)) continue;
    return { path, line: Number(match[2]), column: Number(match[3] ?? 1) };
  }
  return undefined;
}

function isOwn(path: string): boolean {
  if (!path.startsWith(ROOT)) return false;
  const folder = path.slice(ROOT.length).split("/", 1)[0] ?? "";
  return OWN.has(folder);
}

/** `app.ts:8:14`, relative to `baseDir` when it lies inside; empty when there is no frame of the user's. */
export function describeLocation(location: SourceLocation | undefined, baseDir: string | undefined): string {
  if (location === undefined) return "";
  const { path, line, column } = location;
  const base = baseDir === undefined || baseDir.endsWith("/") ? baseDir : `${baseDir}/`;
  const shown = base !== undefined && path.startsWith(base) ? path.slice(base.length) : path;
  return `${shown}:${line}:${column}`;
}

/**
 * Remembers where `callee` was called from. The stack is only formatted, and mapped to sources, when it is asked for:
 * capturing costs a microsecond.
 */
export function captureLocation(callee: Callee): () => SourceLocation | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, callee);
  return () => userFrame(holder.stack ?? "");
}

/** As {@link captureLocation}, as text. */
export function callerLocation(callee: Callee): () => string {
  const location = captureLocation(callee);
  return () => describeLocation(location(), undefined) || "an unknown place";
}
