import { sleep } from "../../core/clock.ts";
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
