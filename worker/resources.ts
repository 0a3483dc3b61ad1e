import { execFile } from "node:child_process";
import { availableParallelism, totalmem } from "node:os";
import type { NodeResources } from "../core/assignment.ts";
import type { Logger } from "../core/log.ts";
import type { WorkerConfig } from "../core/process-config.ts";

const NVIDIA_SMI_TIMEOUT_MS = 5_000;
const MOST_OUTPUT_BYTES = 1024 * 1024;
/** A uuid as nvidia-smi prints it, of a whole GPU or of a part of one. */
const GPU_ID = /^(?:GPU|MIG)-[0-9a-zA-Z/-]+$/;

/** What this node has to offer: what was declared, and what was found for the rest. Never rejects. */
export async function findResources(declared: WorkerConfig["resources"], log: Logger): Promise<NodeResources> {
  const found = declared.gpus === 0 ? [] : parseGpus(await askNvidia(log));
  return {
    cpus: declared.cpus ?? availableParallelism(),
    memoryBytes: declared.memoryBytes ?? memoryBytes(),
    gpus: declareGpus(declared.gpus, found),
    custom: declared.custom,
  };
}

/**
 * Ids of the GPUs to offer. More may be declared than were found, for a machine whose driver does not say, or to try
 * placement without any: those are named `gpu-0`, `gpu-1` and so on.
 */
export function declareGpus(declared: number | undefined, found: readonly string[]): readonly string[] {
  if (declared === undefined) return found;
  return Array.from({ length: declared }, (_, index) => found[index] ?? `gpu-${index}`);
}

/** Ids in the answer of `nvidia-smi --query-gpu=uuid,… --format=csv,noheader`; lines that are not of a GPU are skipped. */
export function parseGpus(csv: string): readonly string[] {
  const ids = csv.split("\n").map((line) => (line.split(",")[0] ?? "").trim());
  return [...new Set(ids.filter((id) => GPU_ID.test(id)))];
}

/** The container's limit where there is one, else the machine's memory. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function askNvidia(log: Logger): Promise<string> {
  const args = ["--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits"];
  const options = { timeout: NVIDIA_SMI_TIMEOUT_MS, maxBuffer: MOST_OUTPUT_BYTES, killSignal: "SIGKILL" as const };
  return new Promise((resolve) => {
    execFile("nvidia-smi", args, options, (err, stdout) => {
      // Most machines have no GPU and no such program.
      if (err !== null) log.debug({ err }, "nvidia-smi does not answer; no GPUs are offered but declared ones");
      resolve(err === null ? stdout : "");
    });
  });
}
