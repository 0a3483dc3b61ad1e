import path from "node:path";
import { sleep } from "../../core/clock.ts";
import { SUPERVISOR_STOP_MS } from "../../core/limits.ts";
import { isAlive, readSupervisorFile } from "../data-dir.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { type ClientFlags, DATA_FOLDER, RUN_DATA_FOLDER } from "../settings.ts";
import { adminClient, type CommandContext } from "./context.ts";

/** Flags of `serve shutdown`. */
export type ShutdownFlags = ClientFlags & { readonly dataDir?: string };

const POLL_MS = 50;

/** `serve shutdown`: asks the cluster to drain and end, and returns when it is gone. */
export async function shutdown(context: CommandContext, flags: ShutdownFlags): Promise<void> {
  const { clock, print } = context;
  const client = adminClient(flags);
  // The supervisor outlives the controller by a moment, and only its file says who it is.
  const folders = flags.dataDir === undefined ? [DATA_FOLDER, RUN_DATA_FOLDER] : [flags.dataDir];
  const supervisor = folders
    .map((folder) => readSupervisorFile(path.resolve(folder)))
    .find((one) => one?.admin !== undefined && client.address.endsWith(`:${String(one.admin.port)}`));
  await client.shutdown();
  const giveUpAt = clock.now() + SUPERVISOR_STOP_MS + 10_000;
  while ((await client.answers()) || isAlive(supervisor?.pid)) {
    print.progress(`waiting until the cluster at ${client.address} has drained and ended`);
    if (clock.now() > giveUpAt) {
      throw new CliError(
        EXIT.failed,
        `the cluster at ${client.address} has not ended yet`,
        "see logs/worker.log in its data directory",
      );
    }
    await sleep(clock, POLL_MS);
  }
  print.note(`the cluster at ${client.address} is gone`);
}
