import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import type { RunFile } from "../../../proto/control/message.ts";
import { createProcessSpawner } from "../../../worker/child.ts";
import type { ProcessExit } from "../../../worker/decide/exit-reason.ts";
import type { SpawnedProcess } from "../../../worker/spawner.ts";
import { ManualClock } from "../../fake/manual-clock.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

const dataDir = mkdtempSync(join(tmpdir(), "thornback-child-"));
mkdirSync(join(dataDir, "logs"));
mkdirSync(join(dataDir, "run"));
const started: number[] = [];
after(() => {
  for (const pid of started) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It ended as it should.
    }
  }
  rmSync(dataDir, { recursive: true });
});
// Keeps the test alive while it waits for processes, which the system clock's timers would not.
const keepAlive = setInterval(() => {}, 1_000);
after(() => clearInterval(keepAlive));

let count = 0;

/** Starts a process that runs `source`; resolves once it has printed a line. */
async function start(source: string, clock = systemClock) {
  const id = `replica-${count++}`;
  const program = join(dataDir, `${id}.mjs`);
  writeFileSync(program, source);
  const log = new RecordingLog();
  const env = { PATH: process.env["PATH"], SECRET_OF_THE_SHELL: "1" };
  const spawner = createProcessSpawner({
    clock,
    log,
    programs: { replica: program, proxy: program },
    execArgv: [],
    env,
  });
  const run = { id, role: "replica", dataDir, pid: 0, startTicks: 0 } as RunFile;
  const { promise: exited, resolve } = Promise.withResolvers<ProcessExit>();
  const child = spawner.spawn({ run, inspect: undefined }, resolve);
  started.push(child.pid);
  await printed(join(dataDir, "logs", `${id}.log`));
  return {
    child,
    exited,
    spawner,
    run: { ...run, pid: child.pid, startTicks: child.startTicks },
    text: () => text(id),
  };
}

function text(id: string): string {
  return readFileSync(join(dataDir, "logs", `${id}.log`), "utf8");
}

/** Resolves when the file holds a line. */
async function printed(path: string): Promise<void> {
  const hasLine = (): boolean => existsSync(path) && readFileSync(path, "utf8").includes("\n");
  if (hasLine()) return;
  await new Promise<void>((resolve) => {
    const watcher = watch(join(dataDir, "logs"), () => {
      if (!hasLine()) return;
      watcher.close();
      resolve();
    });
    if (hasLine()) {
      watcher.close();
      resolve();
    }
  });
}

const RUNS = "setInterval(() => {}, 1000);";

test("a child gets its run file, its own group and little of the environment, and its exit code is told", async () => {
  const {
    child,
    exited,
    text: output,
  } = await start(
    "console.log(JSON.stringify([process.argv[2], Object.keys(process.env).sort()])); process.exitCode = 3;",
  );
  assert.deepEqual(await exited, { kind: "exited", code: 3 });
  const [runFile, env] = JSON.parse(output()) as [string, string[]];
  assert.equal(runFile, join(dataDir, "run", "replica-0.json"));
  assert.ok(!env.includes("SECRET_OF_THE_SHELL"));
  assert.ok(env.includes("PATH"));
  assert.ok(child.startTicks > 0 || process.platform !== "linux");
});

test("a child that ignores SIGTERM is killed with everything it started", async () => {
  const clock = new ManualClock();
  const {
    child,
    exited,
    text: output,
  } = await start(
    `import { spawn } from "node:child_process";
     process.on("SIGTERM", () => {});
     const { pid } = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
     console.log(pid); ${RUNS}`,
    clock,
  );
  const grandchild = Number(output());
  child.terminate();
  clock.advance(5_000);
  assert.deepEqual(await exited, { kind: "killed", signal: "SIGKILL", outOfMemoryKills: 0 });
  await gone(grandchild);
});

test("what a child leaves running when it ends by itself is ended too", async () => {
  const { exited, text: output } = await start(
    `import { spawn } from "node:child_process";
     const { pid } = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
     console.log(pid); process.exit(0);`,
  );
  assert.deepEqual(await exited, { kind: "exited", code: 0 });
  await gone(Number(output()));
});

test("a program that cannot be run is an exit that says why", async () => {
  const id = "replica-none";
  const log = new RecordingLog();
  const programs = { replica: join(dataDir, "no-such-file.mjs"), proxy: "" };
  const spawner = createProcessSpawner({ clock: systemClock, log, programs, execArgv: [], env: {} });
  const exit = await new Promise<ProcessExit>((resolve) => {
    spawner.spawn({ run: { id, role: "replica", dataDir } as RunFile, inspect: undefined }, resolve);
  });
  assert.deepEqual(exit, { kind: "exited", code: 1 });
  assert.match(text(id), /no-such-file/);
});

test(
  "an adopted process is told from another with its pid, and its end is noticed",
  { skip: process.platform !== "linux" },
  async () => {
    const { child, spawner, run } = await start(`console.log("here"); ${RUNS}`);
    const refuse = (): void => assert.fail("not adopted");
    assert.equal(spawner.adopt({ ...run, startTicks: run.startTicks + 1 }, refuse), undefined);
    assert.equal(spawner.adopt({ ...run, pid: 0 }, refuse), undefined);
    let adopted: SpawnedProcess | undefined;
    const exited = new Promise<ProcessExit>((resolve) => (adopted = spawner.adopt(run, resolve)));
    assert.deepEqual([adopted?.pid, adopted?.startTicks], [child.pid, child.startTicks]);
    adopted?.terminate();
    assert.equal((await exited).kind, "lost");
  },
);

/** A process in another's group ends a moment after the signal; there is no event for it here. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      if (readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ")) return;
    } catch {
      return;
    }
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}
