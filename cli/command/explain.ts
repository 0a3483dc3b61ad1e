import type { Explanation } from "../../sdk/admin-client.ts";
import type { AdminClient } from "../admin-client.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { table } from "../print.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";

/** `serve explain DEPLOYMENT`: why this many replicas, and why one is pending, node by node. */
export async function explain(context: CommandContext, name: string, flags: ClientFlags & JsonFlag): Promise<void> {
  const client = adminClient(flags);
  const [application, deployment] = await findDeployment(client, name);
  const explanation = await client.explain(application, deployment);
  if (flags.json === true) context.print.json(explanation);
  else context.print.line(formatExplanation(explanation));
}

/** The explanation as text for people. */
export function formatExplanation(explanation: Explanation): string {
  const { deployment, status, targetReplicas, targetReason, policyProblem, reason, pending, decisions } = explanation;
  const why = targetReason === "" ? "" : ` (${targetReason})`;
  const lines = [
    `${deployment}: ${status}, target ${String(targetReplicas)}${why}${reason === "" ? "" : ` – ${reason}`}`,
  ];
  if (policyProblem !== "") lines.push(`  its scaling policy failed, and its last answer stays: ${policyProblem}`);
  for (const one of pending) {
    lines.push(`  ${one.replica} is pending: ${one.reason}`);
    for (const node of one.nodes) lines.push(`    ${node.node}: ${node.reason}`);
  }
  if (decisions.length > 0) lines.push("  decisions, newest first:");
  if (decisions.length > 0)
    lines.push(
      table([...decisions].reverse().map((one) => [`    ${one.at}`, one.action, one.subject, withInputs(one)])),
    );
  return lines.join("\n");
}

/** A count with the replicas that each signal asked for. */
function withInputs({ reason, inputs }: Explanation["decisions"][number]): string {
  if (inputs === undefined) return reason;
  const { before, target, ...signals } = inputs;
  const asked = Object.entries(signals).filter(([, count]) => count > 0);
  const text = asked.length === 0 ? "" : `; asked for: ${asked.map(([name, count]) => `${name} ${count}`).join(", ")}`;
  return `${reason} (${before} → ${target}${text})`;
}

/** `NAME` alone is enough where one application only has a deployment of that name. */
export async function findDeployment(client: AdminClient, name: string): Promise<readonly [string, string]> {
  const slash = name.indexOf("/");
  if (slash >= 0) return [name.slice(0, slash), name.slice(slash + 1)];
  const { applications } = await client.status();
  const owners = applications.filter((application) => application.deployments.some((one) => one.name === name));
  const [owner, another] = owners.map((application) => application.name);
  if (owner === undefined) {
    throw new CliError(EXIT.failed, `there is no deployment ${name}`, "`thornback status` lists all of them");
  }
  if (another !== undefined) {
    const choices = owners.map((application) => `${application.name}/${name}`).join(", ");
    throw new CliError(EXIT.failed, `several applications have a deployment ${name}`, `name one of ${choices}`);
  }
  return [owner, name];
}
