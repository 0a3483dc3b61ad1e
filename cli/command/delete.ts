import { sleep } from "../../core/clock.ts";
import { SUPERVISOR_STOP_MS } from "../../core/limits.ts";
import { CliError, EXIT } from "../exit-code.ts";
import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext } from "./context.ts";

/** Flags of `serve delete`. */
export type DeleteFlags = ClientFlags & { readonly wait: boolean };

/** `serve delete APP`: drains an application's replicas and forgets it; returns when it is gone. */
export async function deleteApplication(context: CommandContext, name: string, flags: DeleteFlags): Promise<void> {
  const { clock, print } = context;
  const client = adminClient(flags);
  await client.deleteApplication(name);
  const giveUpAt = clock.now() + SUPERVISOR_STOP_MS;
  while (flags.wait && (await client.application(name)) !== undefined) {
    print.progress(`waiting until the replicas of ${name} have drained`);
    if (clock.now() > giveUpAt) {
      throw new CliError(
        EXIT.failed,
        `application ${name} still drains`,
        "it goes on by itself; see `thornback status`",
      );
    }
    await sleep(clock, 50);
  }
  print.note(`application ${name} is ${flags.wait ? "deleted" : "being deleted"}`);
}
