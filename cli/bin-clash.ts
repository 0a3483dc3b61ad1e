import { readFileSync, realpathSync } from "node:fs";
import path from "node:path";

/**
 * The npm package `serve`, a static file server, installs a program of the same name. Where both are in a project,
 * whichever was installed last is what `npx serve` starts, so the documentation says `npx thornback`.
 *
 * Returns what to tell the user; undefined when there is no clash above `folder`.
 */
export function binClash(folder: string): string | undefined {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const version = installedServe(path.join(at, "node_modules", "serve", "package.json"));
    if (version !== undefined) {
      const who = programBehind(path.join(at, "node_modules", ".bin", "serve"));
      return `the npm package serve@${version} is installed in ${at} too, and \`npx serve\` starts ${who}; write \`npx thornback\` instead`;
    }
    if (at === path.dirname(at)) return undefined;
  }
}

/** Warns of a {@link binClash} near a file, if there is one. */
export function warnOfClash(file: string, warn: (text: string) => void): void {
  const clash = binClash(path.dirname(file));
  if (clash !== undefined) warn(clash);
}

function installedServe(packageFile: string): string | undefined {
  const text = readIfThere(packageFile);
  if (text === undefined) return undefined;
  const { version } = JSON.parse(text) as { version?: string };
  return version ?? "";
}

function programBehind(link: string): string {
  try {
    return realpathSync(link).includes(`${path.sep}node_modules${path.sep}serve${path.sep}`)
      ? "that one"
      : "one of the two";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "one of the two";
    throw error;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return undefined;
    throw error;
  }
}
