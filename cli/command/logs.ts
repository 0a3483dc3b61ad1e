import { sleep } from "../../core/clock.ts";
import type { ApplicationStatusView } from "../../core/status.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { formatLogLine, type LogLine, newLines } from "../log-line.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";

/** Flags of `serve logs`. */
export type LogsFlags = ClientFlags & JsonFlag & { readonly follow?: boolean; readonly lines: string };

const FOLLOW_MS = 500;
const MOST_LINES = 10_000;

/** `serve logs [DEPLOYMENT]`: the newest lines, and with `-f` what follows them. */
export async function logs(context: CommandContext, deployment: string, flags: LogsFlags): Promise<void> {
  const { clock, print } = context;
  const count = Number(flags.lines);
  if (!Number.isInteger(count) || count < 1 || count > MOST_LINES) {
    throw new CliError(
      EXIT.usage,
      `--lines "${flags.lines}" is not a count`,
      `give a number from 1 to ${String(MOST_LINES)}`,
    );
  }
  const client = adminClient(flags);
  const { applications } = await client.status();
  const isApplication = applications.some((application) => application.name === deployment);
  const seen = new Map<string, readonly string[]>();
  do {
    const all = await client.logs(isApplication ? "" : deployment, count);
    if (all.length === 0) mustBeKnown(applications, deployment);
    const lines = isApplication ? all.filter((line) => line["application"] === deployment) : all;
    for (const [replica, texts] of byReplica(lines)) {
      for (const text of newLines(seen.get(replica) ?? [], texts)) {
        print.line(flags.json === true ? text : formatLogLine(JSON.parse(text) as LogLine));
      }
      seen.set(replica, texts);
    }
    if (flags.follow === true) await sleep(clock, FOLLOW_MS);
  } while (flags.follow === true);
}

/** Lines of what is gone by now are shown as long as there are any; where there is none, a name may be mistyped. */
function mustBeKnown(applications: readonly ApplicationStatusView[], name: string): void {
  const names = applications.flatMap((application) => [
    application.name,
    ...application.deployments.flatMap((one) => [one.name, `${application.name}/${one.name}`]),
  ]);
  if (name === "" || names.includes(name)) return;
  const next = "`thornback status` lists all of them";
  throw new CliError(EXIT.failed, `there is no deployment or application ${name}, and no log line of one`, next);
}

function byReplica(lines: readonly LogLine[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const line of lines) {
    const replica = String(line["replica"] ?? line["process"] ?? "");
    const group = groups.get(replica) ?? [];
    group.push(JSON.stringify(line));
    groups.set(replica, group);
  }
  return groups;
}
