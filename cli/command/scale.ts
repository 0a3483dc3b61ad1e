import { CliError, EXIT } from "../exit-code.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";
import { findDeployment } from "./explain.ts";

/** What `serve scale` is called with. */
export type ScaleArguments = { readonly deployment: string; readonly replicas: string };

/** `serve scale APP/DEPLOYMENT N`: how many replicas from now on; with autoscaling, where it goes on from. */
export async function scale(
  { print }: CommandContext,
  { deployment: name, replicas: text }: ScaleArguments,
  flags: ClientFlags & JsonFlag,
): Promise<void> {
  const replicas = Number(text);
  if (!/^\d+$/.test(text)) {
    throw new CliError(EXIT.usage, `"${text}" is not a number of replicas`, "for example: thornback scale app/Model 3");
  }
  const client = adminClient(flags);
  const [application, deployment] = await findDeployment(client, name);
  const answer = await client.scale(application, deployment, replicas);
  if (flags.json === true) {
    print.json(answer);
    return;
  }
  const until = answer.isAutoscaled ? "autoscaling goes on from there" : "until a deploy names another numReplicas";
  print.note(`${answer.deployment} is to have ${text} ${replicas === 1 ? "replica" : "replicas"}, ${until}`);
}
