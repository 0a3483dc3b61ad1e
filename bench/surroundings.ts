import { execFileSync } from "node:child_process";
import { cpus, loadavg, release } from "node:os";
import { root } from "./program.ts";

/** Where figures come from; goes with them into a result file. */
export type Surroundings = {
  readonly at: string;
  readonly commit: string;
  /** False: the sources differed from the commit. */
  readonly isCommitted: boolean;
  readonly node: string;
  readonly processor: string;
  readonly kernel: string;
  readonly loadAverage: readonly number[];
};

/** What this machine and these sources are now. */
export function surroundings(): Surroundings {
  const git = (...args: readonly string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  return {
    at: new Date().toISOString(),
    commit: git("rev-parse", "HEAD"),
    isCommitted: git("status", "--porcelain", "--untracked-files=no") === "",
    node: process.version,
    processor: cpus()[0]?.model ?? "",
    kernel: release(),
    loadAverage: loadavg(),
  };
}
