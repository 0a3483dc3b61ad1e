import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { ClusterReport } from "../../cli/background-head.ts";
import type { ClusterStatus } from "../../core/status.ts";
import { type CorePlan, pin } from "./cores.ts";
import { type Design, type DesignName, endProgram, root, type Route, startProgram } from "./design.ts";

const SERVE = "bin/serve.js";
const FREE_PORTS = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];
const DEPLOY_TIMEOUT_MS = 120_000;

/** A head of its own by the real command line, with one application file deployed. */
export function thornbackDesign(name: DesignName, flags: readonly string[], file: string): Design {
  return {
    name,
    async start(cores) {
      const dataDir = mkdtempSync(path.join(tmpdir(), "thornback-bench-"));
      const remove = (): void => rmSync(dataDir, { recursive: true, force: true });
      // Everything begins on the load's core, where the control plane stays; proxies and replicas are moved from it.
      const program = [SERVE, "start", "--json", "--log-level", "warn", "--data-dir", dataDir, ...FREE_PORTS, ...flags];
      const { child, line } = await startProgram(program, cores.load, /^\{/).catch((error: unknown) => {
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
        const status = await getStatus(admin);
        const proxyPids = pidsOfProxies(dataDir);
        const place = (plan: CorePlan): void => pinAll(plan, proxyPids, status);
        place(cores);
        return { name, url: report.http, proxyPids, replicaPids: (route) => pidsOf(status, route), place, close };
      } catch (error) {
        await close();
        throw error;
      }
    },
  };
}

async function deploy(admin: string, file: string): Promise<void> {
  const args = [SERVE, "deploy", file, "--address", admin];
  await promisify(execFile)(process.execPath, args, { cwd: root, timeout: DEPLOY_TIMEOUT_MS });
}

async function getStatus(admin: string): Promise<ClusterStatus> {
  return (await (await fetch(`${admin}/api/v1/status`)).json()) as ClusterStatus;
}

/** A worker notes each child it has in a file, to find it again. */
function pidsOfProxies(dataDir: string): readonly number[] {
  const folder = path.join(dataDir, "run");
  const files = readdirSync(folder).filter((name) => /^proxy-.*\.json$/.test(name));
  const notes = files.map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { pid: number });
  return notes.map(({ pid }) => pid);
}

/** Pids of an application's replicas; an application is named as its route. The ingress is the first deployment asked. */
function pidsOf(status: ClusterStatus, route: Route): readonly number[] {
  const application = status.applications.find((one) => one.name === route);
  return (application?.deployments ?? []).flatMap((one) => one.replicas).map((replica) => replica.pid);
}

function pinAll(cores: CorePlan, proxyPids: readonly number[], status: ClusterStatus): void {
  for (const [i, pid] of proxyPids.entries()) pin(pid, cores.proxies[i] ?? cores.proxies[0]);
  for (const application of status.applications) {
    for (const deployment of application.deployments) {
      const isInner = application.name === "hops" && deployment.name !== "Gateway";
      for (const [i, { pid }] of deployment.replicas.entries()) {
        pin(pid, isInner ? cores.inner : (cores.replicas[i] ?? cores.replicas[0]));
      }
    }
  }
}
