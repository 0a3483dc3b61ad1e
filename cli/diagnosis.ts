import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { createServer } from "node:net";
import { arch, availableParallelism, platform, totalmem } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { Address } from "../core/network.ts";
import { formatAddress } from "./address.ts";
import { binClash } from "./bin-clash.ts";
import { platformOf } from "./platform.ts";

/** One thing that `serve doctor` looked at. */
export type Finding = {
  readonly name: string;
  /** `bad`: serving will not work until it is mended. */
  readonly state: "fine" | "remark" | "bad";
  readonly detail: string;
  /** What to do about it; empty when there is nothing to do. */
  readonly next: string;
};

/** What is looked at. */
export type DiagnosisInput = {
  readonly projectDir: string;
  readonly dataDir: string;
  readonly ports: readonly { readonly flag: string; readonly address: Address }[];
};

const COMMAND_TIMEOUT_MS = 10_000;
const LEAST_MEMORY_BYTES = 1e9;

/** Looks at everything that serving needs, in the order in which it is read. */
export async function diagnose(input: DiagnosisInput): Promise<readonly Finding[]> {
  const ports = input.ports.map(({ flag, address }) => portFinding(flag, address));
  const slow = await Promise.all([modelRuntime(input.projectDir), gpus(), ...ports]);
  return [
    nodeVersion(),
    system(),
    proxies(),
    memory(),
    memoryLimits(),
    ...slow,
    dataDirectory(input.dataDir),
    clash(input.projectDir),
  ];
}

function nodeVersion(): Finding {
  // An older one does not get here: bin/serve.js says so.
  return fine("Node.js", process.version);
}

function system(): Finding {
  const here = `${platform()} ${arch()}`;
  if (platform() === "linux") return fine("system", here);
  const detail = platform() === "darwin" ? `${here}: for development` : `${here} is not supported`;
  const next = platform() === "win32" ? "use WSL 2" : "serve in production on Linux";
  return { name: "system", state: "remark", detail, next };
}

function proxies(): Finding {
  const name = "several proxies";
  if (platformOf(process.platform).sharesPorts) return fine(name, "processes can share a port: --proxies N works");
  return { name, state: "remark", detail: "processes cannot share a port here: a node has one proxy", next: "" };
}

function memoryLimits(): Finding {
  const name = "memory limits";
  if (platformOf(process.platform).tellsMemory) return fine(name, "memoryLimitBytes is kept");
  return {
    name,
    state: "remark",
    detail: "a process's memory cannot be read here: memoryLimitBytes does nothing",
    next: "",
  };
}

function memory(): Finding {
  const detail = `${String(availableParallelism())} cores, ${(totalmem() / 1e9).toFixed(1)} GB of memory`;
  if (totalmem() >= LEAST_MEMORY_BYTES) return fine("machine", detail);
  return {
    name: "machine",
    state: "remark",
    detail,
    next: "the runtime itself takes up to 0.4 GB; models come on top",
  };
}

async function modelRuntime(projectDir: string): Promise<Finding> {
  const name = "onnxruntime-node";
  // In a process of its own: a broken native library may end whoever loads it.
  const script =
    'process.env.ORT_DISABLE_TELEMETRY ??= "1";' +
    'import("onnxruntime-node").then((ort) => console.log((ort.default ?? ort).env?.versions?.node ?? "loaded"))';
  try {
    const { stdout } = await command(process.execPath, ["--input-type=module", "-e", script], projectDir);
    return fine(name, `loads (${stdout.trim()})`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (/ERR_MODULE_NOT_FOUND|Cannot find package/.test(text)) {
      const next =
        "OnnxModel needs it: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node (without skip: CUDA too)";
      return { name, state: "remark", detail: `not installed for ${projectDir}`, next };
    }
    const cause = text.split("\n").find((line) => line.includes("Error")) ?? text;
    return {
      name,
      state: "bad",
      detail: `does not load: ${cause.trim()}`,
      next: "install it again: npm rebuild onnxruntime-node",
    };
  }
}

async function gpus(): Promise<Finding> {
  try {
    const { stdout } = await command(
      "nvidia-smi",
      ["--query-gpu=name,memory.total", "--format=csv,noheader"],
      undefined,
    );
    return fine("GPUs", stdout.trim().split("\n").join("; "));
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isMissing) return fine("GPUs", "none found (no nvidia-smi); models run on the CPU");
    return {
      name: "GPUs",
      state: "remark",
      detail: "nvidia-smi does not work",
      next: "see what nvidia-smi says, or declare --resources gpus=N",
    };
  }
}

function portFinding(flag: string, address: Address): Promise<Finding> {
  const name = `port ${String(address.port)}`;
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "in use" : error.message;
      const next = `pass ${flag} with another one; a cluster that runs already is reason enough (thornback status)`;
      resolve({ name, state: "remark", detail: `${formatAddress(address)} is ${why}`, next });
    });
    server.listen(address.port, address.host, () =>
      server.close(() => resolve(fine(name, `${formatAddress(address)} is free`))),
    );
  });
}

function dataDirectory(dataDir: string): Finding {
  const name = "data directory";
  let at = dataDir;
  while (!existsSync(at)) at = path.dirname(at);
  try {
    accessSync(at, constants.W_OK | constants.X_OK);
    return fine(name, `${dataDir} can be written`);
  } catch (error) {
    const detail = `${at} cannot be written (${(error as NodeJS.ErrnoException).code ?? ""})`;
    return { name, state: "bad", detail, next: "pass --data-dir with a folder that can" };
  }
}

function clash(projectDir: string): Finding {
  const detail = binClash(projectDir);
  if (detail === undefined) return fine("program name", "no other package installs a program called serve here");
  return { name: "program name", state: "remark", detail, next: "" };
}

function fine(name: string, detail: string): Finding {
  return { name, state: "fine", detail, next: "" };
}

function command(file: string, args: readonly string[], cwd: string | undefined): Promise<{ stdout: string }> {
  const options = { timeout: COMMAND_TIMEOUT_MS, ...(cwd === undefined ? {} : { cwd }) };
  return promisify(execFile)(file, [...args], options);
}
