/**
 * Keeps the node's proxy: one process, started again with backoff when it ends, at the same address. A proxy that
 * cannot listen at all when the worker first starts it is a mistake in the configuration, which trying again would only
 * hide; one that answered before is tried again for ever, because whatever took its port may go.
 */
import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { CHILD_GRACE_MS, PROXY_BACKOFF, STABLE_AFTER_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { Child, Children } from "./children.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import { exitReason } from "./decide/exit-reason.ts";

/** What {@link ProxyKeeper} is made from. */
export type ProxyKeeperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly children: Children;
  /** Where it is to listen. */
  readonly http: Address;
  /** Its address or its trouble changed. */
  readonly onChange: () => void;
  /** It answers for the first time, or never will. */
  readonly onReady: (address: Address) => void;
  readonly onFailed: (reason: string) => void;
};

/** The node's proxy. */
export class ProxyKeeper {
  readonly #deps: ProxyKeeperDeps;
  #child: Child | undefined;
  #address: Address | undefined;
  /** Port 0 asks for a free one; once it has one, a restarted proxy keeps it. */
  #listen: Address;
  #reason = "starting";
  #hasAnswered = false;
  #hasFailed = false;
  #answersSince = 0;
  #crashes = 0;
  #timer: Timer | undefined;
  #isClosed = false;
  #onDrained: (() => void) | undefined;

  constructor(deps: ProxyKeeperDeps) {
    this.#deps = deps;
    this.#listen = deps.http;
  }

  /** Where it answers; undefined while it does not. */
  get address(): Address | undefined {
    return this.#address;
  }

  /** Why it does not answer; empty when it does. */
  get reason(): string {
    return this.#reason;
  }

  /** Starts it unless it is there, or is never to be. */
  start(): void {
    if (this.#isClosed || this.#child !== undefined) return;
    this.#child = this.#deps.children.spawn("proxy", { listen: this.#listen });
  }

  /** Takes over the proxy of an earlier worker. */
  adopt(child: Child): void {
    this.#child = child;
    this.#listen = child.run.listen;
  }

  /** It said where it listens, or why it cannot. */
  reported(child: Child, address: Address | undefined, reason: string): void {
    if (child !== this.#child) return;
    this.#address = address;
    this.#reason = address === undefined ? reason : "";
    if (address !== undefined) {
      this.#listen = address;
      this.#answersSince = this.#deps.clock.now();
      if (!this.#hasAnswered) this.#deps.onReady(address);
      this.#hasAnswered = true;
    } else if (!this.#hasAnswered && !this.#hasFailed) {
      this.#hasFailed = true;
      this.#deps.onFailed(reason);
    }
    this.#deps.onChange();
  }

  /** Whether a child that is gone was the proxy; if so it is started again. */
  gone(child: Child, exit: ProcessExit): boolean {
    if (child !== this.#child) return false;
    const { clock, random, log } = this.#deps;
    this.#child = undefined;
    this.#onDrained?.();
    const reason = this.#address === undefined && this.#reason !== "starting" ? this.#reason : exitReason(exit).text;
    if (this.#address !== undefined && clock.now() - this.#answersSince >= STABLE_AFTER_MS) this.#crashes = 0;
    this.#address = undefined;
    this.#reason = reason;
    if (!this.#isClosed && !this.#hasFailed) {
      log.warn({ child: child.id, reason }, "the proxy ended and is started again");
      this.#timer = clock.after(backoff(this.#crashes++, PROXY_BACKOFF, random), () => this.start());
    }
    this.#deps.onChange();
    return true;
  }

  /** Ends it for good: it takes nothing new and finishes what it has for at most `timeoutMs`. Resolves when it is gone. */
  drain(timeoutMs: number): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
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
}
