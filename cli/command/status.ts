import type { ApplicationStatusView, ClusterStatus, DeploymentStatusView } from "../../core/status.ts";
import { joinUrl } from "../deploy.ts";
import { type Printer, table } from "../print.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";

/** `serve status`: applications, deployments, replicas and nodes with the reasons for what is not as it should be. */
export async function status(context: CommandContext, flags: ClientFlags & JsonFlag): Promise<void> {
  const cluster = await adminClient(flags).status();
  if (flags.json === true) context.print.json(cluster);
  else context.print.line(formatStatus(cluster, context.print));
}

/** The status as text for people. */
export function formatStatus(cluster: ClusterStatus, print: Printer): string {
  const httpUrl = cluster.nodes.find((node) => node.httpUrl !== "")?.httpUrl;
  const sections = cluster.applications.map((application) => formatApplication(application, httpUrl, print));
  if (sections.length === 0) sections.push("no applications; deploy one with `thornback deploy app.ts`");
  const store = formatStore(cluster, print);
  return [...(store === "" ? [] : [store]), ...sections, formatNodes(cluster)].join("\n\n");
}

/** First, because what it says may explain what is missing below. An older controller says nothing of it. */
function formatStore(cluster: Partial<Pick<ClusterStatus, "store">>, print: Printer): string {
  const problems = cluster.store?.problems ?? [];
  if (problems.length === 0) return "";
  return `${print.style("red", "store")}\n${problems.map((problem) => indent(problem, 2)).join("\n")}`;
}

function formatApplication(application: ApplicationStatusView, httpUrl: string | undefined, print: Printer): string {
  const where = httpUrl === undefined ? application.routePrefix : joinUrl(httpUrl, application.routePrefix);
  const lines = [`${print.style("bold", application.name)}  ${paint(application.status, print)}  ${where}`];
  if (application.reason !== "") lines.push(indent(application.reason, 2));
  for (const deployment of application.deployments) lines.push(formatDeployment(deployment, print));
  return lines.join("\n");
}

function formatDeployment(deployment: DeploymentStatusView, print: Printer): string {
  const ready = deployment.replicas.filter((replica) => replica.state === "ready").length;
  const count = `${String(ready)}/${String(deployment.targetReplicas)} ready`;
  const lines = [`  ${deployment.name}  ${paint(deployment.status, print)}  ${count}`];
  if (deployment.reason !== "") lines.push(indent(deployment.reason, 4));
  const rows = deployment.replicas.map((replica) => [
    replica.id,
    replica.state,
    replica.nodeId === "" ? "-" : replica.nodeId,
    replica.pid === 0 ? "-" : `pid ${String(replica.pid)}`,
    `ongoing ${String(replica.ongoing)}`,
    [replica.provider, ...replica.gpus].filter((word) => word !== "").join(" "),
    replica.restarts === 0 ? "" : `restarts ${String(replica.restarts)}`,
    replica.reason.split("\n", 1)[0] ?? "",
  ]);
  if (rows.length > 0) lines.push(indent(table(rows), 4));
  return lines.join("\n");
}

function formatNodes(cluster: ClusterStatus): string {
  const rows = cluster.nodes.map((node) => {
    const amounts = Object.entries(node.resources.total).map(([name, total]) => {
      const used = node.resources.allocated[name] ?? 0;
      return name === "memoryBytes"
        ? `memory ${gigabytes(used)}/${gigabytes(total)} GB`
        : `${name} ${round(used)}/${round(total)}`;
    });
    return [node.id, node.state, amounts.join(", "), node.httpUrl === "" ? node.reason : node.httpUrl];
  });
  return `nodes\n${indent(table(rows), 2)}`;
}

function paint(status: string, print: Printer): string {
  if (status === "running" || status === "healthy") return print.style("green", status);
  return print.style(status === "unhealthy" || status === "deploy_failed" ? "red" : "yellow", status);
}

function indent(text: string, spaces: number): string {
  return text.replaceAll(/^/gm, " ".repeat(spaces));
}

function round(amount: number): string {
  return String(Math.round(amount * 10_000) / 10_000);
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
