import type {
  ApplicationStatusView,
  ClusterStatus,
  DemandView,
  DeploymentStatusView,
  NodeStatusView,
  RolloutStatusView,
} from "../../core/status.ts";
import { joinUrl } from "../deploy.ts";
import { type Printer, table } from "../print.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";

/** `serve status`: applications, deployments, replicas and nodes with the reasons for what is not as it should be. */
export async function status(context: CommandContext, flags: ClientFlags & JsonFlag): Promise<void> {
  const client = adminClient(flags);
  const cluster = await client.status();
  if (flags.json === true) {
    context.print.json(cluster);
    return;
  }
  const demand = formatDemand(await client.demand());
  context.print.line(formatStatus(cluster, context.print) + (demand === "" ? "" : `\n\n${demand}`));
}

/** One line: how many replicas fit on no node, what they need, and since when the first waits; empty when all fit. */
export function formatDemand({ pending, resources }: DemandView): string {
  const [first] = pending;
  if (first === undefined) return "";
  const count = pending.reduce((sum, one) => sum + one.count, 0);
  const needs = Object.entries(resources).map(([name, amount]) => amountText(name, amount));
  const what = `${String(count)} ${count === 1 ? "replica fits" : "replicas fit"} on no node`;
  return `${what} (${needs.join(", ")}), ${first.deployment} since ${first.since}: ${first.reason}`;
}

/** What is used of what a node has. */
export function amountsText({ resources: { total, allocated } }: NodeStatusView): string {
  const amounts = Object.entries(total).map(([name, amount]) => {
    const used = allocated[name] ?? 0;
    return name === "memoryBytes"
      ? `memory ${gigabytes(used)}/${gigabytes(amount)} GB`
      : `${name} ${round(used)}/${round(amount)}`;
  });
  return amounts.join(", ");
}

function amountText(name: string, amount: number): string {
  return name === "memoryBytes" ? `memory ${gigabytes(amount)} GB` : `${name} ${round(amount)}`;
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
  if (deployment.rollout !== undefined) lines.push(indent(formatRollout(deployment.rollout), 4));
  const rows = deployment.replicas.map((replica) => [
    replica.id,
    // With one version there is nothing to tell apart.
    ...(deployment.rollout === undefined ? [] : [replica.version]),
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

/** Where a rollout stands, and how the requests of both versions ended since its share was last changed. */
function formatRollout({ stage, from, to, percent, isPaused, scores, outcomes }: RolloutStatusView): string {
  const share = percent === undefined ? "" : `, ${String(percent)} % of the requests`;
  const ended = outcomes.map(({ version, answered, failed }) => {
    return `${version} answered ${String(answered)}, failed ${String(failed)}`;
  });
  const given = Object.entries(scores).map(([name, score]) => `${name} ${round(score)}`);
  const parts = [
    `rollout of ${to} over ${from}: ${stage}${share}${isPaused ? ", paused" : ""}`,
    ...ended,
    ...(given.length === 0 ? [] : [`scores: ${given.join(", ")}`]),
  ];
  return parts.join("; ");
}

function formatNodes(cluster: ClusterStatus): string {
  const rows = cluster.nodes.map((node) => {
    const where = [node.httpUrl, node.reason].filter((text) => text !== "").join("  ");
    return [node.id, node.state, amountsText(node), where];
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
