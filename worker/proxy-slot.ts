import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { CHILD_GRACE_MS, PROXY_BACKOFF, STABLE_AFTER_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { Child, Children, SpawnOptions } from "./children.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import { exitReason } from "./decide/exit-reason.ts";

/** What a {@link ProxySlot} is made from. */
export type ProxySlotDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly children: Children;
  /** What a process is started with now. */
  readonly options: () => SpawnOptions;
};

/** The place of one proxy of the node: its process is started again with backoff whenever it ends. */
export class ProxySlot {
  readonly #deps: ProxySlotDeps;
  #child: Child | undefined;
  #address: Address | undefined;
  #reason = "starting";
  #answersSince = 0;
  #crashes = 0;
  #timer: Timer | undefined;
  #isClosed = false;
  #onDrained: (() => void) | undefined;

  constructor(deps: ProxySlotDeps) {
    this.#deps = deps;
  }

  /** Where it answers; undefined while it does not. */
  get address(): Address | undefined {
    return this.#address;
  }

  /** Why it does not answer; empty when it does. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether no process is in it. */
  get isEmpty(): boolean {
    return this.#child === undefined;
  }

  /** Whether this child is its process. */
  holds(child: Child): boolean {
    return this.#child === child;
  }

  /** Starts a process unless there is one, or one is to be started in a moment. */
  start(): void {
    if (!this.#isClosed && this.#child === undefined && this.#timer === undefined) this.#spawn();
  }

  /** Takes over a process of an earlier worker. */
  adopt(child: Child): void {
    this.#child = child;
  }

  /** Its process said where it listens, or why it does not. */
  reported(address: Address | undefined, reason: string): void {
    if (address !== undefined && this.#address === undefined) this.#answersSince = this.#deps.clock.now();
    this.#address = address;
    this.#reason = address === undefined ? reason : "";
  }

  /** Whether its process is to send load balancers elsewhere. */
  setOut(isOut: boolean): void {
    if (this.#child !== undefined) this.#deps.children.send(this.#child, { kind: "rotation", isOut });
  }

  /** Its process is gone. */
  gone(child: Child, exit: ProcessExit): void {
    const { clock, random, log } = this.#deps;
    this.#child = undefined;
    this.#onDrained?.();
    const reason = this.#address === undefined && this.#reason !== "starting" ? this.#reason : exitReason(exit).text;
    if (this.#address !== undefined && clock.now() - this.#answersSince >= STABLE_AFTER_MS) this.#crashes = 0;
    this.#address = undefined;
    this.#reason = reason;
    if (this.#isClosed) return;
    log.warn({ child: child.id, reason }, "a proxy ended and is started again");
    this.#timer = clock.after(backoff(this.#crashes++, PROXY_BACKOFF, random), () => {
      this.#timer = undefined;
      this.#spawn();
    });
  }

  /** Starts nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** Ends it for good: it takes nothing new and finishes what it has for at most `timeoutMs`. Resolves when it is gone. */
  drain(timeoutMs: number): Promise<void> {
    this.close();
    const child = this.#child;
    if (child === undefined) return Promise.resolve();
    const { children, clock } = this.#deps;
    children.send(child, { kind: "drain", timeoutMs });
    const delayMs = child.link === undefined ? 0 : timeoutMs + CHILD_GRACE_MS;
    const timer = clock.after(delayMs, () => children.end(child));
    return new Promise((resolve) => {
      this.#onDrained = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #spawn(): void {
    this.#child = this.#deps.children.spawn("proxy", this.#deps.options());
  }
}
