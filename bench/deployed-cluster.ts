import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { ClusterReport } from "../cli/background-head.ts";
import type { ClusterStatus } from "../core/status.ts";
import { endProgram, root, startProgram } from "./program.ts";

const SERVE = "bin/serve.js";
const FREE_PORTS = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];
const DEPLOY_TIMEOUT_MS = 120_000;

/** A head of its own, with one application file deployed. */
export type DeployedCluster = {
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** The same of the admin API. */
  readonly admin: string;
  readonly proxyPids: readonly number[];
  /** As it was when everything was ready. */
  readonly status: ClusterStatus;
  /** Ends all of its processes and removes what they wrote. */
  close(): Promise<void>;
};

const open = new Set<DeployedCluster>();

/** Closes every cluster that is open: what a program does that is interrupted. */
export async function closeClusters(): Promise<void> {
  await Promise.all([...open].map((cluster) => cluster.close()));
}

/**
 * Starts a head and deploys, both by the real command line. Everything begins on `core`, where the control plane stays;
 * without one it is wherever the kernel puts it.
 */
export async function deployCluster(
  file: string,
  core: number | undefined,
  flags: readonly string[],
): Promise<DeployedCluster> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "thornback-bench-"));
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true });
  const program = [SERVE, "start", "--json", "--log-level", "warn", "--data-dir", dataDir, ...FREE_PORTS, ...flags];
  const { child, line } = await startProgram(program, core, /^\{/).catch((error: unknown) => {
    remove();
    throw error;
  });
  const close = async (): Promise<void> => {
    await endProgram(child);
    remove();
  };
  try {
    const report = JSON.parse(line) as ClusterReport;
    const admin = String(report.admin);
    await deploy(admin, file);
    const cluster: DeployedCluster = {
      url: report.http,
      admin,
      proxyPids: pidsOfProxies(dataDir),
      status: await getStatus(admin),
      async close() {
        open.delete(cluster);
        await close();
      },
    };
    open.add(cluster);
    return cluster;
  } catch (error) {
    await close();
    throw error;
  }
}

/** Pids of an application's replicas, those of its ingress first. */
export function replicaPids(status: ClusterStatus, applicationName: string): readonly number[] {
  const application = status.applications.find(({ name }) => name === applicationName);
  return (application?.deployments ?? []).flatMap(({ replicas }) => replicas).map(({ pid }) => pid);
}

async function deploy(admin: string, file: string): Promise<void> {
  const args = [SERVE, "deploy", file, "--address", admin];
  await promisify(execFile)(process.execPath, args, { cwd: root, timeout: DEPLOY_TIMEOUT_MS });
}

/** The status as any script gets it. */
export async function getStatus(admin: string): Promise<ClusterStatus> {
  return (await (await fetch(`${admin}/api/v1/status`)).json()) as ClusterStatus;
}

/** A worker notes each child it has in a file, to find it again. */
function pidsOfProxies(dataDir: string): readonly number[] {
  const folder = path.join(dataDir, "run");
  const files = readdirSync(folder).filter((name) => /^proxy-.*\.json$/.test(name));
  const notes = files.map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { pid: number });
  return notes.map(({ pid }) => pid);
}
