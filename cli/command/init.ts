import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { warnOfClash } from "../bin-clash.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { packageVersion } from "../package-version.ts";
import { projectFiles } from "../project-template.ts";
import type { CommandContext } from "./context.ts";

/** `serve init [FOLDER]`: writes a small project that runs, and never over a file that is there. */
export function init(context: CommandContext, folder: string): void {
  const { print } = context;
  const target = path.resolve(folder);
  const name =
    path
      .basename(target)
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, "-")
      .replaceAll(/^-+|-+$/g, "") || "app";
  const files = Object.entries(projectFiles(name, packageVersion()));
  const taken = files.map(([file]) => file).filter((file) => existsSync(path.join(target, file)));
  if (taken.length > 0) {
    const next = "name a new folder, for example `npx thornback init my-app`";
    throw new CliError(EXIT.failed, `${target} holds ${taken.join(", ")} already; nothing was written`, next);
  }
  mkdirSync(target, { recursive: true });
  for (const [file, text] of files) writeFileSync(path.join(target, file), text);
  const into = path.relative(process.cwd(), target);
  print.line(`wrote ${files.map(([file]) => file).join(", ")} to ${target}`);
  print.line(`next: ${into === "" ? "" : `cd ${into} && `}${install()} && npm start`);
  warnOfClash(path.join(target, "app.ts"), (text) => print.warn(text));
}

/** How the new project gets this very thornback: no registry has the one of a checkout. */
function install(): string {
  if (!import.meta.url.endsWith(".ts")) return "npm install";
  const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
  return `npm pack ${checkout} && npm install ./thornback-${packageVersion()}.tgz`;
}
