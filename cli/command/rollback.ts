import { applicationUrl, AWAY_PATIENCE_MS, describeChanges, isUnchanged, waitUntilRunning } from "../deploy.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext, type JsonFlag } from "./context.ts";

/** Flags of `serve rollback`. */
export type RollbackFlags = ClientFlags & JsonFlag & { readonly to?: string; readonly wait: boolean };

/** `serve rollback APP`: deploys the version that served before, or the one named, and waits until it is healthy. */
export async function rollback(context: CommandContext, application: string, flags: RollbackFlags): Promise<void> {
  const { print, clock } = context;
  const client = adminClient(flags);
  const put = await client.rollback(application, flags.to);
  const progress = (text: string): void => print.progress(text);
  if (flags.wait) await waitUntilRunning({ client, clock, progress, awayPatienceMs: AWAY_PATIENCE_MS }, put);
  const url = flags.wait ? applicationUrl(await client.status(), application) : undefined;
  if (flags.json === true) {
    print.json({ ...put, isUnchanged: isUnchanged(put), url });
    return;
  }
  print.note(`${application}: back at version ${put.version}: ${describeChanges(put)}`);
  if (url !== undefined) print.line(url);
}
