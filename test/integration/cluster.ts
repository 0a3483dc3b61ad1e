/**
 * Real clusters for tests: the command line as users call it, on free ports, in a folder of its own. Whoever starts one
 * closes it in `after`; closing fails when a process, a port or a run file is left.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterReport } from "../../cli/background-head.ts";
import type { ClusterStatus } from "../../core/status.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/serve.js", import.meta.url));
const COMMAND_TIMEOUT_MS = 60_000;

/** How a command ended. */
export type CommandResult = { readonly code: number | null; readonly out: string; readonly err: string };

/** How a command is called. */
export type CommandOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
};

/** Runs `serve` with arguments to its end. */
export async function serve(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const command = spawnServe(args, options);
  const timer = setTimeout(() => command.child.kill("SIGKILL"), options.timeoutMs ?? COMMAND_TIMEOUT_MS);
  const code = await command.exited;
  clearTimeout(timer);
  return { code, out: command.out(), err: command.err() };
}

/** A `serve` that is running. */
export type RunningServe = {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  out(): string;
  err(): string;
  /** Resolves with the first whole line of standard output that matches; rejects when it ends before. */
  line(pattern: RegExp): Promise<string>;
};

/** Commands that a failed test left running; the lifeline ends what they keep. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts `serve` with arguments. The caller ends it. */
export function spawnServe(args: readonly string[], options: CommandOptions = {}): RunningServe {
  const env = { ...process.env, CI: "", PORT: "", ...options.env };
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: options.cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let out = "";
  let err = "";
  const watchers = new Set<() => void>();
  const look = (): void => {
    for (const watcher of watchers) watcher();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => {
      running.delete(child);
      resolve(code);
    }),
  );
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const watcher = (): void => {
        const found = out
          .split("\n")
          .slice(0, -1)
          .find((one) => pattern.test(one));
        if (found !== undefined) {
          watchers.delete(watcher);
          resolve(found);
        }
      };
      watchers.add(watcher);
      watcher();
      void exited.then((code) =>
        reject(new Error(`serve ${args.join(" ")} ended with ${String(code)}:\n${out}\n${err}`)),
      );
    });
  return { child, exited, out: () => out, err: () => err, line };
}

/** A project folder with files, removed by the returned function. */
export type TestProject = { readonly dir: string; write(file: string, text: string): string; remove(): void };

/** Makes a project folder; `write` returns the absolute path. */
export function createProject(files: Readonly<Record<string, string>> = {}): TestProject {
  const dir = mkdtempSync(path.join(tmpdir(), "thornback-test-"));
  const write = (file: string, text: string): string => {
    const target = path.join(dir, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
    return target;
  };
  for (const [file, text] of Object.entries(files)) write(file, text);
  return { dir, write, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** A cluster that a test uses. */
export type TestCluster = ClusterReport & {
  readonly project: TestProject;
  /** Runs a command against this cluster. */
  serve(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  status(): Promise<ClusterStatus>;
  /** Ends everything, and fails when something is left. */
  close(): Promise<void>;
};

/** Starts `serve start` on free ports and resolves when it is ready. */
export async function startCluster(args: readonly string[] = [], options: CommandOptions = {}): Promise<TestCluster> {
  const project = createProject();
  const dataDir = path.join(project.dir, "data");
  const ports = ["--http-port", "0", ...(args.includes("--join") ? [] : ["--admin-port", "0", "--grpc-port", "0"])];
  const head = spawnServe(["start", "--json", "--data-dir", dataDir, ...ports, ...args], options);
  const report = JSON.parse(await head.line(/^\{"(?!error")/)) as ClusterReport;
  const env = { THORNBACK_ADDRESS: report.admin ?? "", ...options.env };
  const serveHere = (words: readonly string[], more: CommandOptions = {}): Promise<CommandResult> =>
    serve(words, { cwd: project.dir, ...more, env: { ...env, ...more.env } });
  return {
    ...report,
    project,
    serve: serveHere,
    status: () => getStatus(report.admin ?? ""),
    async close() {
      head.child.kill("SIGTERM");
      const timer = setTimeout(() => head.child.kill("SIGKILL"), COMMAND_TIMEOUT_MS);
      await head.exited;
      clearTimeout(timer);
      await assertNothingLeft(report);
      project.remove();
    },
  };
}

/** The status by REST, as any script would get it. */
export async function getStatus(admin: string): Promise<ClusterStatus> {
  const response = await fetch(`${admin}/api/v1/status`);
  assert.equal(response.status, 200);
  return (await response.json()) as ClusterStatus;
}

/** Pids of all replicas of a cluster, in the order of the status. */
export async function replicaPids(admin: string): Promise<readonly number[]> {
  const { applications } = await getStatus(admin);
  return applications
    .flatMap((one) => one.deployments)
    .flatMap((one) => one.replicas)
    .map((replica) => replica.pid);
}

/** Sends JSON and returns status and body, parsed where it is JSON. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  return { status: response.status, body: isJson ? (JSON.parse(text) as unknown) : text, headers: response.headers };
}

/** Fails when a process, a listening port or a run file of a cluster is left. */
export async function assertNothingLeft(report: ClusterReport): Promise<void> {
  assert.deepEqual(processesOf(report.dataDir), []);
  for (const url of [report.admin, report.http]) {
    if (url !== undefined) assert.equal(await isListening(new URL(url)), false, `something still listens at ${url}`);
  }
  assert.equal(existsSync(path.join(report.dataDir, "run")), false, "the folder run/ is left");
}

/** Processes that were started with a path below the folder. */
export function processesOf(folder: string): readonly { pid: number; command: string }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .map((name) => ({ pid: Number(name), command: commandOf(name) }))
    .filter(({ pid, command }) => pid !== process.pid && command.includes(folder));
}

/** Calls `look` until it returns something, at most for `timeoutMs`; for what no event announces. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 10_000,
): Promise<T> {
  const giveUpAt = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > giveUpAt) throw new Error(`nothing after ${String(timeoutMs)} ms`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A port that nobody listened on a moment ago, for what must be known before it is opened. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    // Gone between the listing and the look.
    return "";
  }
}

function isListening(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
