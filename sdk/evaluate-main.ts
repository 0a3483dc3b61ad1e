import { readFileSync, realpathSync, writeSync } from "node:fs";
import { findSourceMap } from "node:module";
import type { SourceMapping } from "node:module";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { ServeError } from "../core/error.ts";
import { MOST_EVALUATE_OUTPUT_BYTES } from "../core/limits.ts";
import { userFrame } from "../core/user-frame.ts";
import { argumentText } from "./argument-text.ts";
import { RESULT_FD } from "./evaluation.ts";
import type { EvaluatedApplication, EvaluatePlace, EvaluateRequest, EvaluateResult } from "./evaluation.ts";
import { FunctionLocator } from "./function-location.ts";
import { loadApplications } from "./load-app.ts";
import type { ApplicationGraph } from "./load-app.ts";
import { openApiDocument } from "./openapi.ts";
import { installResolveHook } from "./resolve-hook.ts";

/**
 * The child process in which app.ts is evaluated at deploy: user code never runs in the CLI or the controller. It loads
 * itself, waits for its request, imports the bundle, walks the graph, writes one result and exits. Who spawned it
 * enforces time and output limits, and ends its process group. A bundle whose top-level await never settles ends it with
 * Node's exit code 13 and no result.
 */

const exitProcess: (code: number) => never = process.exit.bind(process);

function finish(result: EvaluateResult): never {
  const bytes = Buffer.from(JSON.stringify(result));
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(RESULT_FD, bytes, written);
    } catch (error) {
      // The pipe is full: its reader is another process, so trying again is all there is to do.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
  return exitProcess(0);
}

/** The topmost frame in the user's own files, else the topmost at all. */
function placeOf(stack: string, bundleDir: string): EvaluatePlace | undefined {
  const own = stack.split("\n").filter((line) => !line.includes("/node_modules/"));
  const frame = userFrame(own.join("\n")) ?? userFrame(stack);
  if (frame === undefined) return undefined;
  const isUnmapped = frame.path === join(bundleDir, "app.mjs");
  const entry = isUnmapped ? findSourceMap(frame.path)?.findEntry(frame.line - 1, frame.column - 1) : undefined;
  if (entry !== undefined && "originalSource" in entry) {
    const { originalSource, originalLine, originalColumn } = entry as SourceMapping;
    const source = originalSource.replace(/^file:\/\//, "");
    return { file: relative(bundleDir, source), line: originalLine + 1, column: originalColumn + 1 };
  }
  return { file: relative(bundleDir, frame.path), line: frame.line, column: frame.column };
}

function failed(thrown: unknown, bundleDir: string): EvaluateResult {
  if (!(thrown instanceof Error)) {
    const message = `app.ts threw ${typeof thrown === "string" ? JSON.stringify(thrown) : typeof thrown}, not an Error`;
    return { kind: "failed", message, problems: [], at: undefined, stack: "" };
  }
  const isOurs = thrown instanceof ServeError;
  const stack = thrown.stack ?? "";
  return {
    kind: "failed",
    message: isOurs || thrown.name === "Error" ? thrown.message : `${thrown.name}: ${thrown.message}`,
    problems: isOurs ? (thrown.details.problems ?? []) : [],
    at: placeOf(stack, bundleDir),
    stack: isOurs ? "" : stack.replaceAll(`${pathToFileURL(bundleDir).href}/`, "").replaceAll(`${bundleDir}/`, ""),
  };
}

function describe(graph: ApplicationGraph, locator: FunctionLocator): EvaluatedApplication {
  return {
    name: graph.name,
    routePrefix: graph.routePrefix,
    ingress: graph.ingress,
    ingressKind: graph.ingressKind,
    assets: graph.assets,
    nativePackages: graph.nativePackages,
    access: graph.access,
    cors: graph.cors,
    openapi: openApiDocument(graph),
    deployments: graph.deployments.map((deployment) => {
      const { name, target, sources: own = [target], functions, args, rawOptions, hasAuthorize = false } = deployment;
      // Replicas run the policy too, and another one has to reach them. A changed `verify` changes nothing that runs.
      const sources = functions?.policy === undefined ? own : [...own, functions.policy];
      const { text, isOpaque } = argumentText(args);
      const modules = new Set(sources.map((source) => locator.sourceOf(source as (...args: never[]) => unknown)));
      const [module] = isOpaque || modules.size > 1 ? [] : modules;
      return { name, options: rawOptions, args: text, module, hasAuthorize };
    }),
  };
}

/** Tells where the user's code ends the process, instead of ending without a word. */
function reportExits(bundleDir: string): void {
  process.exit = (code) => {
    const stack = new Error("exit").stack ?? "";
    const message = `process.exit(${code ?? ""}) was called while app.ts was evaluated; remove it, or move it into a method`;
    return finish({ kind: "failed", message, problems: [], at: placeOf(stack, bundleDir), stack: "" });
  };
}

/**
 * Ends an app.ts that prints without end where it does so. Pipes are not written to at once, so what a busy loop prints
 * would gather in this process's memory and never reach the parent that counts it too.
 */
function limitOutput(bundleDir: string): void {
  let bytes = 0;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    stream.write = (...args: unknown[]): boolean => {
      const [chunk] = args;
      bytes += typeof chunk === "string" ? chunk.length : (chunk as Uint8Array).byteLength;
      if (bytes > MOST_EVALUATE_OUTPUT_BYTES) {
        const at = placeOf(new Error("printed").stack ?? "", bundleDir);
        const message = `printed more than ${MOST_EVALUATE_OUTPUT_BYTES} bytes while app.ts was evaluated; it only describes an application`;
        finish({ kind: "failed", message, problems: [], at, stack: "" });
      }
      return write(...args);
    };
  }
}

async function evaluate(request: EvaluateRequest, bundleDir: string): Promise<EvaluateResult> {
  const entry = join(bundleDir, "app.mjs");
  try {
    const namespace: unknown = await import(pathToFileURL(entry).href);
    const { file, name, routePrefix } = request;
    const graphs = loadApplications(namespace, { file, name, routePrefix });
    const locator = new FunctionLocator(entry);
    return { kind: "evaluated", applications: graphs.map((graph) => describe(graph, locator)) };
  } catch (thrown) {
    return failed(thrown, bundleDir);
  }
}

/** Everything printed has reached the deploy, which repeats it; ending at once would drop the last of it. */
async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0) await new Promise<void>((resolve) => void stream.write("", () => resolve()));
  }
}

process.setSourceMapsEnabled(true);
const request = JSON.parse(readFileSync(0, "utf8")) as EvaluateRequest;
const bundleDir = realpathSync(request.bundleDir);
installResolveHook({ bundleDir, projectDir: request.projectDir });
reportExits(bundleDir);
limitOutput(bundleDir);
const onUncaught = (thrown: unknown): never => finish(failed(thrown, bundleDir));
process.on("uncaughtException", onUncaught);
process.on("unhandledRejection", onUncaught);
const result = await evaluate(request, bundleDir);
await flushed();
finish(result);
