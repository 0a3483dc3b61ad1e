import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { AdminClient } from "../admin-client.ts";
import type { Printer } from "../print.ts";
import { adminUrl, type ClientFlags, readToken } from "../settings.ts";

/** What every command gets from the composition root. */
export type CommandContext = {
  readonly clock: Clock;
  readonly random: Random;
  readonly print: Printer;
  readonly env: NodeJS.ProcessEnv;
  /** Calls back at every SIGINT, SIGTERM and SIGHUP, which then no longer end the process. Returns how to unsubscribe. */
  readonly onInterrupt: (callback: (signal: NodeJS.Signals) => void) => () => void;
};

/** The client that a command's flags ask for. */
export function adminClient(flags: ClientFlags): AdminClient {
  return new AdminClient(adminUrl(flags), readToken(flags.tokenFile));
}

/** Flags of commands whose answer a script may read. */
export type JsonFlag = { readonly json?: boolean };
