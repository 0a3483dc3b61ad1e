import { setTimeout } from "node:timers/promises";
import type { DeploymentStatusView } from "../../core/status.ts";
import { getStatus } from "../deployed-cluster.ts";

/** What a deployment was at some moment of a watch. */
export type Look = { readonly atMs: number; readonly target: number; readonly ready: number; readonly exists: number };

const LOOK_EVERY_MS = 20;

/** Looks at a deployment's counts over and over, as a script would: by the admin API. Times are since it began. */
export class WatchedDeployment {
  readonly looks: Look[] = [];
  readonly #admin: string;
  readonly #name: string;
  readonly #startedAt = performance.now();
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor(admin: string, name: string) {
    this.#admin = admin;
    this.#name = name;
    this.#watching = this.#watch();
  }

  /** Milliseconds since it began. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Each count that was the target, in turn. */
  get targets(): readonly number[] {
    const all = this.looks.map(({ target }) => target);
    return all.filter((target, i) => target !== all[i - 1]);
  }

  /** Changes of direction among the targets. */
  get turns(): number {
    const steps = this.targets.slice(1).map((target, i) => Math.sign(target - (this.targets[i] ?? target)));
    return steps.filter((step, i) => i > 0 && step !== steps[i - 1]).length;
  }

  /** Resolves with the first look from now on that is as wanted; undefined: none was in time. */
  async until(isWanted: (look: Look) => boolean, withinMs: number): Promise<Look | undefined> {
    const giveUpAt = this.elapsedMs + withinMs;
    let next = Math.max(0, this.looks.length - 1);
    while (this.elapsedMs < giveUpAt) {
      const found = this.looks.slice(next).find(isWanted);
      if (found !== undefined) return found;
      next = this.looks.length;
      await setTimeout(LOOK_EVERY_MS);
    }
    return undefined;
  }

  /** Looks no more. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const { applications } = await getStatus(this.#admin);
      const found = applications.flatMap(({ deployments }) => deployments).find(({ name }) => name === this.#name);
      if (found !== undefined) this.looks.push({ atMs: this.elapsedMs, ...countsOf(found) });
      await setTimeout(LOOK_EVERY_MS);
    }
  }
}

function countsOf({ targetReplicas, replicas }: DeploymentStatusView): Omit<Look, "atMs"> {
  const ready = replicas.filter(({ state }) => state === "ready").length;
  return { target: targetReplicas, ready, exists: replicas.length };
}
