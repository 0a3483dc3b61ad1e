import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import { sleep } from "../core/clock.ts";
import { LIFELINE_EXIT_MS } from "../core/limits.ts";
import type { Address } from "../core/network.ts";
import { DATA_DIR } from "../core/process-config.ts";
import { CliError, EXIT } from "./exit-code.ts";

/** Longest path a Unix socket may have on every platform, with room for the names in it. */
const MOST_SOCKET_PATH_BYTES = 100;
/** A lock that does not answer by then has nobody behind it. */
const PROBE_TIMEOUT_MS = 500;
/** Processes that a killed supervisor left behind have ended by then. */
const LEFT_BEHIND_MS = LIFELINE_EXIT_MS + 1_000;
/** Claiming takes no longer; whoever has not finished by then died meanwhile. */
const MOST_CLAIM_MS = 2 * LEFT_BEHIND_MS;

/** What `run/supervisor.json` says of the cluster that uses a data directory. */
export type SupervisorFile = {
  readonly pid: number;
  /** Wall time. */
  readonly startedAt: number;
  readonly controllerPid: number;
  readonly workerPid: number;
  /** Undefined where this node runs no controller, and until it is known. */
  readonly admin: Address | undefined;
  readonly grpc: Address | undefined;
  readonly http: Address | undefined;
};

/** Makes the folders of a data directory, readable by its owner only. @throws {CliError} when it cannot. */
export function makeDataDir(dataDir: string): void {
  try {
    for (const folder of [".", DATA_DIR.run, DATA_DIR.logs]) {
      mkdirSync(path.join(dataDir, folder), { recursive: true, mode: 0o700 });
    }
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const next = "pass --data-dir with a folder that can be written";
    throw new CliError(EXIT.refused, `the data directory ${dataDir} cannot be made: ${cause}`, next, { cause: error });
  }
}

/**
 * Where the lifeline listens: inside the data directory, or, where that path is too long for a socket, in a private
 * folder of the system's temporary one that is named by it.
 */
export function lifelinePath(dataDir: string): string {
  const inside = path.join(dataDir, DATA_DIR.lifelineSocket);
  if (Buffer.byteLength(inside) <= MOST_SOCKET_PATH_BYTES) return inside;
  const name = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  return path.join(tmpdir(), `thornback-${name}`, "lifeline.sock");
}

/** Makes the folder of a socket that is outside the data directory; it must be ours alone. */
function makeSocketFolder(socketPath: string, dataDir: string): void {
  const folder = path.dirname(socketPath);
  if (folder.startsWith(dataDir)) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const owner = lstatSync(folder);
  if (!owner.isDirectory() || owner.uid !== process.getuid?.() || (owner.mode & 0o077) !== 0) {
    const next = "remove it, or pass a --data-dir with a shorter path";
    throw new CliError(
      EXIT.refused,
      `the folder ${folder} for sockets belongs to somebody else or is open to others`,
      next,
    );
  }
}

/** Removes the folder that {@link makeSocketFolder} made. */
export function removeSocketFolder(socketPath: string, dataDir: string): void {
  const folder = path.dirname(socketPath);
  if (!folder.startsWith(dataDir)) rmSync(folder, { recursive: true, force: true });
}

/** Reads `run/supervisor.json`; undefined when there is none that makes sense. */
export function readSupervisorFile(dataDir: string): SupervisorFile | undefined {
  const file = path.join(dataDir, DATA_DIR.supervisor);
  if (!existsSync(file)) return undefined;
  try {
    const value = JSON.parse(readFileSync(file, "utf8")) as SupervisorFile;
    return typeof value.pid === "number" ? value : undefined;
  } catch (error) {
    // Torn by a crash: as good as none, and the next start writes it anew.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes a file that only its owner may read, whole or not at all. */
export function writePrivateFile(file: string, value: unknown): void {
  const draft = `${file}.${String(process.pid)}.tmp`;
  writeFileSync(draft, JSON.stringify(value), { mode: 0o600 });
  renameSync(draft, file);
}

/**
 * Makes a data directory this process's: refuses one that a living cluster uses, clears what a dead one left, and calls
 * `listen`, which binds the lifeline's socket. From then on that socket says that the directory is in use; of several
 * processes that come at once, one gets so far at a time. Processes of a cluster whose supervisor was killed a moment
 * ago still have up to LIFELINE_EXIT_MS, and hold its ports until then.
 *
 * @throws {CliError} when the directory is in use.
 */
export function claimDataDir(
  dataDir: string,
  socketPath: string,
  { clock, listen }: { readonly clock: Clock; readonly listen: () => Promise<void> },
): Promise<void> {
  return exclusively(dataDir, clock, async () => {
    const earlier = readSupervisorFile(dataDir);
    if (await answers(socketPath)) throw dataDirInUse(dataDir, earlier);
    rmSync(socketPath, { force: true });
    const giveUpAt = clock.now() + LEFT_BEHIND_MS;
    while (clock.now() < giveUpAt && [earlier?.controllerPid, earlier?.workerPid].some(isAlive)) await sleep(clock, 50);
    makeSocketFolder(socketPath, dataDir);
    await listen();
  });
}

function dataDirInUse(dataDir: string, earlier: SupervisorFile | undefined): CliError {
  const who = earlier === undefined ? "another cluster" : `the cluster of process ${String(earlier.pid)}`;
  const stop =
    earlier?.admin === undefined ? "" : ` --address http://${earlier.admin.host}:${String(earlier.admin.port)}`;
  const next = `stop it with \`thornback shutdown${stop}\`, or pass another --data-dir`;
  return new CliError(EXIT.refused, `the data directory ${dataDir} is in use by ${who}`, next);
}

/** Removes desired state and what follows from it. Blobs and bundles stay: they are named by their content. */
export function forget(dataDir: string): void {
  for (const name of [DATA_DIR.store, DATA_DIR.table, DATA_DIR.assignment]) {
    rmSync(path.join(dataDir, name), { recursive: true, force: true });
  }
}

/** Whether there is a process of that number, ours or not. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Runs while no other process claims the data directory. */
async function exclusively(dataDir: string, clock: Clock, run: () => Promise<void>): Promise<void> {
  const file = path.join(dataDir, DATA_DIR.run, "claim");
  const abandonedAt = clock.now() + MOST_CLAIM_MS;
  while (!isMade(file)) {
    if (clock.now() < abandonedAt) await sleep(clock, 20);
    else rmSync(file, { force: true });
  }
  try {
    await run();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Whether it was this process that made the file. */
function isMade(file: string): boolean {
  try {
    closeSync(openSync(file, "wx", 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function answers(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const end = (isAnswered: boolean): void => {
      socket.destroy();
      resolve(isAnswered);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
