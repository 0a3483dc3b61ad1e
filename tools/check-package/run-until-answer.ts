import { spawn } from "node:child_process";
import { once } from "node:events";

const MOST_MS = 60_000;

/** What a run printed, and the HTTP status its URL answered with; undefined when it never answered. */
export type RunResult = { readonly output: string; readonly answered: number | undefined };

/**
 * Runs `npx thornback run app.ts` in a folder, asks the URL it prints, and interrupts it as Ctrl-C in a terminal does:
 * the whole group gets the signal. Resolves when everything that shares its output has ended.
 */
export async function runUntilAnswer(folder: string, env: NodeJS.ProcessEnv): Promise<RunResult> {
  const ports = ["--http-port", "0", "--admin-port", "0", "--grpc-port", "0"];
  const child = spawn("npx", ["--no-install", "thornback", "run", "app.ts", ...ports], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const deadline = AbortSignal.timeout(MOST_MS);
  const signalGroup = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal);
  };
  deadline.addEventListener("abort", () => signalGroup("SIGKILL"), { once: true });

  let output = "";
  let asking: Promise<void> | undefined;
  let answered: number | undefined;
  async function ask(url: string): Promise<void> {
    try {
      answered = (await fetch(url, { signal: deadline })).status;
    } catch (error) {
      output += `\nGET ${url}: ${String(error)}\n`;
    }
    signalGroup("SIGINT");
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const url = /http:\/\/127\.0\.0\.1:\d+\S*/.exec(output)?.[0];
      if (url !== undefined) asking ??= ask(url);
    });
  }
  await once(child, "close");
  await asking;
  return { output, answered };
}
