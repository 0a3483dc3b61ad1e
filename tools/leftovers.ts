/**
 * Says what a run of the tests left behind: processes and listening ports of ours, files in the checkout, folders in the
 * temporary directory. `snapshot` prints what there is now; `compare FILE` fails when there is more than in a snapshot.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOurs, newIn, parseListening, type Snapshot } from "./leftovers/snapshot.ts";
import { root } from "./tree.ts";

/** Everything of ours in the temporary directory begins so. */
const PREFIX = "thornback";
/** What onnxruntime leaves there while its telemetry is on, which it must not be. */
const TELEMETRY = "mat-debug-";

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // The process ended meanwhile, or belongs to another user: then it is none of ours.
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // As above.
  }
}

/** Processes whose program, arguments or folder lie in this checkout or in a temporary folder of ours. */
function processes(): { readonly pid: number; readonly text: string }[] {
  if (!existsSync("/proc/self")) return [];
  const places = [root, join(tmpdir(), PREFIX)];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .map((pid) => ({
      pid: Number(pid),
      text: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim(),
      folder: link(`/proc/${pid}/cwd`),
    }))
    .filter(({ pid, text, folder }) => pid !== process.pid && isOurs({ text, folder }, places));
}

/** Ports that processes of ours listen on. */
function ports(pids: readonly number[]): string[] {
  const inodes = new Set<string>();
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of existsSync(folder) ? readdirSync(folder) : []) {
      const inode = /^socket:\[(\d+)\]$/.exec(link(join(folder, fd)))?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  }
  const listening = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => parseListening(read(table)));
  return listening.filter(({ inode }) => inodes.has(inode)).map(({ port }) => `port ${port}`);
}

function files(): string[] {
  const { stdout } = spawnSync("git", ["status", "--porcelain", "--ignored"], { cwd: root, encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "" && !/^!! (node_modules|dist)\/$/.test(line));
}

function snapshot(): Snapshot {
  const running = processes();
  return {
    processes: running.map(({ pid, text }) => `${pid} ${text}`),
    ports: ports(running.map(({ pid }) => pid)),
    files: files(),
    temporary: readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX) || name.startsWith(TELEMETRY)),
  };
}

const [mode, file] = process.argv.slice(2);
if (mode === "snapshot") {
  console.log(JSON.stringify(snapshot()));
} else if (mode === "compare" && file !== undefined) {
  const left = newIn(snapshot(), JSON.parse(readFileSync(file, "utf8")) as Snapshot);
  for (const each of left) console.error(`left behind: ${each}`);
  console.log(`leftovers: ${left.length}`);
  process.exit(left.length === 0 ? 0 : 1);
} else {
  console.error("usage: leftovers.ts snapshot | compare FILE");
  process.exit(64);
}
