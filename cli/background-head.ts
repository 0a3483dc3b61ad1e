/**
 * A cluster that outlives the command that starts it. The child is `serve start` itself, in a session of its own, with
 * its words going to `logs/supervisor.log`; on file descriptor 3 it says once whether it is ready, so that the command
 * can wait for an event and pass on the cause of a failure word for word.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { DATA_DIR } from "../core/process-config.ts";
import { makeDataDir } from "./data-dir.ts";
import { CliError, EXIT, type ExitCode } from "./exit-code.ts";

/** Set for the child: file descriptor 3 waits for its report. */
const REPORT_VARIABLE = "THORNBACK_REPORT_START";

/** What a started cluster says of itself; printed by `serve start --json` too. URLs and `HOST:PORT`. */
export type ClusterReport = {
  readonly pid: number;
  readonly dataDir: string;
  /** Undefined on a node that joined another's cluster. */
  readonly admin?: string;
  readonly grpc?: string;
  readonly http: string;
};

type StartReport =
  | ({ readonly kind: "ready" } & ClusterReport)
  | { readonly kind: "failed"; readonly message: string; readonly next: string; readonly exitCode: ExitCode };

/**
 * Starts `serve start` with the arguments in the background and resolves when it is ready.
 *
 * @throws {CliError} the one that `serve start` would have shown.
 */
export async function startInBackground(args: readonly string[], dataDir: string): Promise<ClusterReport> {
  makeDataDir(dataDir);
  const logFile = path.join(dataDir, DATA_DIR.logs, "supervisor.log");
  const log = openSync(logFile, "a", 0o600);
  const program = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "bin", "serve.js");
  const child = spawn(process.execPath, [programFile(program), "start", ...args], {
    detached: true,
    stdio: ["ignore", log, log, "pipe"],
    env: { ...process.env, [REPORT_VARIABLE]: "1" },
  });
  closeSync(log);
  const report = await firstLine(child.stdio[3] as Readable);
  child.unref();
  if (report === undefined) {
    throw new CliError(EXIT.failed, "the local head ended before it was ready", `its last words are in ${logFile}`);
  }
  if (report.kind === "failed") throw new CliError(report.exitCode, report.message, report.next);
  return report;
}

/** In the child: tells the command that started it, if one did, and only once. */
export function reportStart(report: StartReport, env: NodeJS.ProcessEnv): void {
  if (env[REPORT_VARIABLE] !== "1") return;
  delete env[REPORT_VARIABLE];
  try {
    writeSync(3, `${JSON.stringify(report)}\n`);
    closeSync(3);
  } catch (error) {
    // The command that wanted to know was interrupted; the cluster does not depend on it.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}

/** From `dist/cli/` the program is one folder further up than from `cli/`. */
function programFile(beside: string): string {
  return beside.replace(`${path.sep}dist${path.sep}bin${path.sep}`, `${path.sep}bin${path.sep}`);
}

async function firstLine(stream: Readable): Promise<StartReport | undefined> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  stream.destroy();
  return text.includes("\n") ? (JSON.parse(text) as StartReport) : undefined;
}
