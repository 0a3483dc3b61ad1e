import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MLP_WIDTH } from "../batch/mlp.ts";
import { smallBody } from "./work.ts";

const SCRIPT = fileURLToPath(new URL("wrk-post.lua", import.meta.url));
const ANSWER_TIMEOUT = "10s";

/** Bodies of requests by name, with their content type. */
export const BODIES = {
  "1 KB": { type: "application/json", bytes: () => Buffer.from(smallBody()) },
  "64 KB": { type: "application/octet-stream", bytes: () => Buffer.alloc(64 * 1_024, 7) },
  "1 MB": { type: "application/octet-stream", bytes: () => Buffer.alloc(1_024 * 1_024, 7) },
  /** A row for the model of bench/batch. */
  row: {
    type: "application/octet-stream",
    bytes: () => Buffer.from(Float32Array.from({ length: MLP_WIDTH }, (_, at) => Math.sin(at)).buffer),
  },
  stream: { type: "application/json", bytes: () => Buffer.from('{"tokens":50,"everyMs":0}') },
} as const;

/** One of {@link BODIES}. */
export type BodyName = keyof typeof BODIES;

/** A closed load by wrk. */
export type WrkOptions = {
  readonly url: string;
  readonly body: BodyName;
  readonly connectionCount: number;
  readonly seconds: number;
  readonly core: number;
};

/** What wrk saw. Latencies are as it measures them, from sending. */
export type WrkFigures = {
  readonly elapsedMs: number;
  readonly requests: number;
  /** Socket errors, timeouts, and statuses above 399. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Whether wrk is there. */
export function hasWrk(): boolean {
  return spawnSync("wrk", ["-v"], { stdio: "ignore" }).error === undefined;
}

const files = new Map<BodyName, string>();
let folder: string | undefined;

/** Runs wrk with one thread to its end. */
export async function wrk({ url, body, connectionCount, seconds, core }: WrkOptions): Promise<WrkFigures> {
  const amount = ["-t", "1", "-c", String(connectionCount), "-d", `${String(Math.ceil(seconds))}s`];
  const how = ["--timeout", ANSWER_TIMEOUT, "-s", SCRIPT, url, "--", BODIES[body].type, fileOf(body)];
  const timeout = (seconds + 30) * 1_000;
  const { stdout } = await promisify(execFile)("taskset", ["-c", String(core), "wrk", ...amount, ...how], { timeout });
  const text = /^figures (\{.*\})$/m.exec(stdout)?.[1];
  if (text === undefined) throw new Error(`wrk printed no figures: ${stdout}`);
  return JSON.parse(text) as WrkFigures;
}

function fileOf(body: BodyName): string {
  if (folder === undefined) {
    const made = (folder = mkdtempSync(path.join(tmpdir(), "thornback-wrk-")));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  }
  let file = files.get(body);
  if (file === undefined) {
    file = path.join(folder, body.replace(" ", "-"));
    writeFileSync(file, BODIES[body].bytes());
    files.set(body, file);
  }
  return file;
}
