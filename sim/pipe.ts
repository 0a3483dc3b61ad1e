import type { SimClock } from "./sim-clock.ts";
import type { SimProcess } from "./sim-process.ts";
import type { Topology } from "./topology.ts";

/** One direction of a connection. */
export type PipeOptions<T> = {
  readonly clock: SimClock;
  readonly topology: Topology;
  readonly from: SimProcess;
  readonly to: SimProcess;
  /** Called in the receiving process, in the order of `send`. */
  readonly onItem: (item: T) => void;
  /** Called in the receiving process, last: the sender closed, or died and its kernel said so. */
  readonly onEnd: (error: Error | undefined) => void;
};

type Entry<T> =
  | { readonly kind: "item"; readonly item: T }
  | { readonly kind: "end"; readonly error: Error | undefined };

/**
 * Carries items from one process to another: in order, each once, after the delays of the topology. Into a cut nothing
 * is lost, it waits for the repair, as TCP would send it again. A receiver that is dead hears nothing.
 */
export class Pipe<T> {
  readonly #options: PipeOptions<T>;
  #held: Entry<T>[] = [];
  #lastAt = 0;
  #isEnded = false;
  #isBroken = false;
  #stopWatching: (() => void) | undefined;

  constructor(options: PipeOptions<T>) {
    this.#options = options;
  }

  /** Whether something waits for a cut to be repaired. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  /** Sends one item; nothing after `end`, and nothing from the dead. */
  send(item: T): void {
    if (!this.#isEnded && this.#options.from.isAlive) this.#enqueue({ kind: "item", item });
  }

  /** Says in order that no more comes. */
  end(error: Error | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#enqueue({ kind: "end", error });
  }

  /** Nothing arrives any more, not even what is on its way. */
  break(): void {
    this.#isEnded = true;
    this.#isBroken = true;
    this.#held = [];
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #enqueue(entry: Entry<T>): void {
    if (this.#isBroken) return;
    const { topology, from, to } = this.#options;
    if (this.#held.length > 0 || topology.isCut(from.host, to.host)) {
      this.#held.push(entry);
      this.#stopWatching ??= topology.onRepair(() => this.#release());
      return;
    }
    this.#schedule(entry);
  }

  #schedule(entry: Entry<T>): void {
    const { clock, topology, from, to, onItem, onEnd } = this.#options;
    const at = Math.max(this.#lastAt, clock.now() + topology.delay(from.host, to.host));
    this.#lastAt = at;
    clock.after(at - clock.now(), () => {
      to.run(() => {
        if (this.#isBroken) return;
        if (entry.kind === "item") onItem(entry.item);
        else onEnd(entry.error);
      });
    });
  }

  #release(): void {
    const { topology, from, to } = this.#options;
    if (topology.isCut(from.host, to.host)) return;
    const held = this.#held;
    this.#held = [];
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    for (const entry of held) this.#schedule(entry);
  }
}
