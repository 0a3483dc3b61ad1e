import { NotSupportedError, ServeError } from "../core/error.ts";
import type { ErrorCode } from "../core/error.ts";
import type { PutAnswer } from "./admin-client.ts";

/** Options of {@link deploy}; those of `serve deploy`. */
export type DeployOptions = {
  /** Admin URL of the cluster, such as `http://127.0.0.1:8265`. */
  readonly address: string;
  readonly name?: string | undefined;
  readonly routePrefix?: string | undefined;
  /** Values of secrets, by name. They reach the deploying process by its environment, never by its arguments. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Ends the deploying process; what it had put stays put. */
  readonly signal?: AbortSignal | undefined;
  /** File that holds the cluster's token, where it needs one. */
  readonly tokenFile?: string | undefined;
};

/** One application that {@link deploy} left healthy, and what that changed. */
export type DeployedApplication = PutAnswer & {
  /** Where it answers; empty while no node's proxy does. */
  readonly url: string;
  readonly isUnchanged: boolean;
};

/** The most that is kept of what the deploying process prints. */
const MOST_OUTPUT_CHARACTERS = 1024 * 1024;

/**
 * Deploys a file and waits until its applications are healthy. Bundling needs the whole tool chain, so this runs `serve
 * deploy` of this same package in a process of its own; it needs Node, unlike the rest of `thornback/client`.
 *
 * @throws {ServeError} with the deploy's first cause; `not_supported` outside Node
 *
 * @example
 * ```ts
 * import { createAdminClient, deploy } from "thornback/client";
 *
 * export async function release(): Promise<void> {
 *   await deploy("./app.ts", { address: "http://127.0.0.1:8265" });
 *   console.log(await createAdminClient("http://127.0.0.1:8265").status());
 * }
 * ```
 */
export async function deploy(file: string, options: DeployOptions): Promise<readonly DeployedApplication[]> {
  // Not imported, so that browsers and their bundlers never see the names of Node's modules.
  const builtin = globalThis.process?.getBuiltinModule;
  if (builtin === undefined)
    throw new NotSupportedError("deploy() needs Node 22.18 or newer: it bundles and starts a process");
  const { spawn } = builtin("node:child_process");
  const { existsSync } = builtin("node:fs");
  const { fileURLToPath } = builtin("node:url");
  const candidates = ["../bin/serve.js", "../../bin/serve.js"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const program = candidates.find((path) => existsSync(path)) ?? "bin/serve.js";
  const child = spawn(process.execPath, [program, ...deployArguments(file, options)], {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-MOST_OUTPUT_CHARACTERS)));
  child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-MOST_OUTPUT_CHARACTERS)));
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve(exitCode ?? 1));
  });
  const report = parseReport(output);
  if (code === 0 && report.applications !== undefined) return report.applications;
  const message = report.error?.message ?? (errors.trim() || `serve deploy ended with exit code ${code}`);
  throw new ServeError(codeOfExit(code), message);
}

/** What `serve deploy --json` prints. */
type DeployReport = {
  readonly applications?: readonly DeployedApplication[];
  readonly error?: { readonly message: string };
};

function deployArguments(file: string, options: DeployOptions): readonly string[] {
  const args = ["deploy", file, "--json", "--address", options.address];
  if (options.name !== undefined) args.push("--name", options.name);
  if (options.routePrefix !== undefined) args.push("--route-prefix", options.routePrefix);
  if (options.tokenFile !== undefined) args.push("--token-file", options.tokenFile);
  return args;
}

function parseReport(output: string): DeployReport {
  try {
    return JSON.parse(output) as DeployReport;
  } catch {
    // The process died before it could report; its exit code and what it said last have to do.
    return {};
  }
}

/** What `serve`'s exit codes mean, in terms of errors. */
function codeOfExit(code: number): ErrorCode {
  if (code === 69) return "deployment_unavailable";
  return code === 77 ? "permission_denied" : "invalid_spec";
}
