import type { ClientFlags } from "../settings.ts";
import { adminClient, type CommandContext } from "./context.ts";

/** What `serve rollout` may do, with what is said when it was done. */
export const ROLLOUT_ACTIONS = {
  pause: "paused: it goes no further, and its gates still hold",
  resume: "goes on",
  promote: "promoted: the new version gets everything",
  abort: "aborted: the version that served before has everything again",
} as const;

/** `serve rollout pause|resume|promote|abort APP` */
export async function rollout(
  { print }: CommandContext,
  { action, application }: { readonly action: keyof typeof ROLLOUT_ACTIONS; readonly application: string },
  flags: ClientFlags,
): Promise<void> {
  await adminClient(flags).rollout(application, action);
  print.note(`the rollout of ${application} ${ROLLOUT_ACTIONS[action]}`);
}
