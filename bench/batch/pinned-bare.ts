import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BareFigures, BareOptions } from "./bare.ts";

const PROGRAM = fileURLToPath(new URL("bare-process.ts", import.meta.url));
const LOADING_MS = 60_000;

/** Measures bare onnxruntime in a process of its own, on one core. */
export async function pinnedBare(options: BareOptions, core: number): Promise<BareFigures> {
  const program = ["--conditions=thornback-source", PROGRAM, JSON.stringify(options)];
  const timeout = options.seconds * 2_000 + LOADING_MS;
  const { stdout } = await promisify(execFile)("taskset", ["-c", String(core), process.execPath, ...program], {
    timeout,
  });
  return JSON.parse(stdout) as BareFigures;
}
