/**
 * Finds the children that an earlier worker of this node left behind. Their run files say who they are; each dials this
 * worker within a moment, and those whose id, secret, pid and start ticks all match go on as if nothing had happened.
 * Nobody waits for longer than ADOPT_WAIT_MS for the others: they may be in the midst of a computation, which blocks
 * their event loop. One that is still silent after ADOPT_SILENT_MS is ended, because nobody could tell it anything; one
 * that is not the process of its run file any more is never touched.
 */
import type { Clock, Timer } from "../core/clock.ts";
import { ADOPT_SILENT_MS, ADOPT_WAIT_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Child, Children } from "./children.ts";
import type { NodeFiles } from "./node-files.ts";

/** What {@link Adoption} is made from. */
export type AdoptionDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly files: NodeFiles;
  readonly children: Children;
};

/** One worker's search for its predecessor's children. */
export class Adoption {
  readonly #deps: AdoptionDeps;
  /** Ids of children that have not been heard. */
  readonly #awaited = new Set<string>();
  #timer: Timer | undefined;
  #settle: (() => void) | undefined;

  constructor(deps: AdoptionDeps) {
    this.#deps = deps;
  }

  /** Resolves when every child that was left is heard or ended, at the latest after ADOPT_WAIT_MS. Call once, first. */
  start(): Promise<void> {
    const { clock, log, files, children } = this.#deps;
    for (const run of files.readRuns()) {
      if (children.adopt(run)) this.#awaited.add(run.id);
      else files.removeRun(run.id);
    }
    if (this.#awaited.size === 0) return Promise.resolve();
    log.info({ children: this.#awaited.size }, "waiting for the processes that the worker before this one left");
    return new Promise((resolve) => {
      this.#settle = resolve;
      this.#timer = clock.after(ADOPT_WAIT_MS, () => this.#goOn());
    });
  }

  /** A child said all it had to say (a replica its state, a proxy its address), or it is gone. */
  heard(child: Child): void {
    if (this.#awaited.delete(child.id) && this.#awaited.size === 0) this.close();
  }

  /** Waits for nobody any more, and ends nobody. */
  close(): void {
    this.#timer?.cancel();
    this.#awaited.clear();
    this.#settle?.();
  }

  #goOn(): void {
    this.#timer = this.#deps.clock.after(ADOPT_SILENT_MS - ADOPT_WAIT_MS, () => this.#giveUp());
    this.#settle?.();
  }

  #giveUp(): void {
    const { log, children } = this.#deps;
    for (const child of children.all()) {
      if (!this.#awaited.has(child.id) || child.link !== undefined) continue;
      log.warn(
        { child: child.id, pid: child.run.pid },
        "a process of the worker before this one does not dial and is ended",
      );
      children.end(child, "did not dial its restarted worker in time");
    }
    this.close();
  }
}
