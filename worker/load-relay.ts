import type { WorkerMessage } from "../core/assignment.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { LOAD_GATHER_MS } from "../core/limits.ts";
import { LoadBook } from "../core/load-book.ts";
import type { DeploymentLoad } from "../core/load.ts";
import type { Child } from "./children.ts";

/** Adds up what the node's routers have to do, and tells the controller. */
export class LoadRelay {
  readonly #deps: { readonly clock: Clock; readonly send: (message: WorkerMessage) => void };
  readonly #loads = new LoadBook<Child>();
  #timer: Timer | undefined;

  constructor(deps: { readonly clock: Clock; readonly send: (message: WorkerMessage) => void }) {
    this.#deps = deps;
  }

  /** A router told what it has to do. */
  heard(child: Child, loads: readonly DeploymentLoad[]): void {
    this.#loads.heard(child, loads);
    this.#tell();
  }

  /**
   * A child is gone, and with it what waited in it; or its link is, or there is another: the end of its load may be lost with
   * the old one, and whatever it still has it tells over the new one soon.
   */
  gone(child: Child): void {
    this.#loads.gone(child);
    this.#tell();
  }

  /** Tells nothing any more. */
  close(): void {
    this.#timer?.cancel();
  }

  /** At once, and then what comes within LOAD_GATHER_MS together. */
  #tell(): void {
    if (this.#timer !== undefined || !this.#loads.isChanged) return;
    this.#deps.send({ kind: "loads", loads: this.#loads.take() });
    this.#timer = this.#deps.clock.after(LOAD_GATHER_MS, () => {
      this.#timer = undefined;
      this.#tell();
    });
  }
}
