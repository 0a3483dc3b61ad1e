/** The processes of a test's cluster, by what they do; for tests that stop and kill them. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ReplicaStatusView } from "../../core/status.ts";
import { eventually, getStatus } from "./cluster.ts";

/** How long replacing a replica may take on a busy machine. */
const REPLACED_WITHIN_MS = 30_000;

/** Pids of the proxies that a worker keeps, in the order of their files. */
export function proxyPids(dataDir: string): readonly number[] {
  const folder = path.join(dataDir, "run");
  const names = readdirSync(folder).filter((name) => /^proxy-.*\.json$/.test(name));
  return names.map((name) => pidIn(path.join(folder, name))).filter((pid) => pid > 0);
}

/** Pids of what the supervisor keeps. */
export function supervisedPids(dataDir: string): { readonly controllerPid: number; readonly workerPid: number } {
  const text = readFileSync(path.join(dataDir, "run/supervisor.json"), "utf8");
  return JSON.parse(text) as { controllerPid: number; workerPid: number };
}

/** All replicas of a cluster, those of all deployments together. */
export async function allReplicas(admin: string): Promise<readonly ReplicaStatusView[]> {
  const { applications } = await getStatus(admin);
  return applications.flatMap(({ deployments }) => deployments).flatMap(({ replicas }) => replicas);
}

/** Resolves with the replicas when there are `count`, all of them ready and none with one of the pids in `gone`. */
export function whenReady(
  admin: string,
  count: number,
  gone: readonly number[] = [],
): Promise<readonly ReplicaStatusView[]> {
  return eventually(async () => {
    const found = await allReplicas(admin).catch(() => []);
    const isWhole = found.length === count && found.every(({ state, pid }) => state === "ready" && pid > 0);
    return isWhole && !found.some(({ pid }) => gone.includes(pid)) ? found : undefined;
  }, REPLACED_WITHIN_MS);
}

/** 0 while there is none: its keeper has just replaced it. */
function pidIn(file: string): number {
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid;
  } catch {
    // It ended between the listing and the look.
    return 0;
  }
}
