/**
 * Keeps the node's proxies: processes at one address, over which the kernel spreads connections, each started again by
 * itself when it ends. The first is started alone: only it can find out whether the port is free, and which one port 0
 * stands for; the others follow as soon as it answers. A first one that cannot listen at all is a mistake in the
 * configuration, which trying again would only hide; once any has answered, a port that is taken is waited for, because
 * whatever took it may go. The node answers while at least one of them does.
 */
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import type { HttpFrontKind } from "../core/process-config.ts";
import type { Random } from "../core/random.ts";
import type { Place } from "../core/table.ts";
import type { Child, Children } from "./children.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import { ProxySlot } from "./proxy-slot.ts";

/** What the node's proxies are to be; see `core/process-config.ts`. */
export type ProxyOptions = {
  /** Where they are to listen. */
  readonly http: Address;
  readonly hasListened: boolean;
  readonly proxyCount: number;
  readonly httpFront: HttpFrontKind;
  readonly trustedProxies: readonly string[];
  readonly place?: Place | undefined;
};

/** What {@link ProxyKeeper} is made from. */
export type ProxyKeeperDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly children: Children;
  readonly options: ProxyOptions;
  /** Their address or their trouble changed. */
  readonly onChange: () => void;
  /** One answers for the first time, or none ever will. */
  readonly onReady: (address: Address) => void;
  readonly onFailed: (reason: string) => void;
};

/** The node's proxies. */
export class ProxyKeeper {
  readonly #deps: ProxyKeeperDeps;
  readonly #slots: readonly ProxySlot[];
  /** Port 0 asks for a free one; once there is one, every proxy has it. */
  #listen: Address;
  #hasListened: boolean;
  #wasToldReady = false;
  #hasFailed = false;
  #isOut = false;

  constructor(deps: ProxyKeeperDeps) {
    this.#deps = deps;
    const { clock, random, log, children, options } = deps;
    const { http, hasListened, proxyCount, httpFront: front, trustedProxies, place } = options;
    this.#listen = http;
    this.#hasListened = hasListened;
    const slotDeps = {
      ...{ clock, random, log, children },
      options: () => ({
        listen: this.#listen,
        proxy: { front, isFirst: !this.#hasListened, proxyCount, trustedProxies, place },
      }),
    };
    this.#slots = Array.from({ length: proxyCount }, () => new ProxySlot(slotDeps));
  }

  /** Where they answer; undefined while none does. */
  get address(): Address | undefined {
    return this.#slots.find(({ address }) => address !== undefined)?.address;
  }

  /** Why none answers; empty when one does. */
  get reason(): string {
    return this.address === undefined ? (this.#slots[0]?.reason ?? "") : "";
  }

  /** Starts what is missing: the first alone while nobody has listened. */
  start(): void {
    if (this.#hasFailed) return;
    if (this.#hasListened) for (const slot of this.#slots) slot.start();
    else if (this.#slots.every(({ isEmpty }) => isEmpty)) this.#slots[0]?.start();
  }

  /** Takes over a proxy of an earlier worker; one too many is ended. */
  adopt(child: Child): void {
    const slot = this.#slots.find(({ isEmpty }) => isEmpty);
    if (slot === undefined) this.#deps.children.end(child, "one proxy more than the node is to have");
    else slot.adopt(child);
  }

  /** The node was emptied, so that load balancers are to go elsewhere; or it is used again. */
  setOut(isOut: boolean): void {
    if (this.#isOut === isOut) return;
    this.#isOut = isOut;
    for (const slot of this.#slots) slot.setOut(isOut);
  }

  /** One is connected, for the first time or again: while it was not, it may have missed either. */
  connected(child: Child): void {
    this.#slots.find((one) => one.holds(child))?.setOut(this.#isOut);
  }

  /** One said where it listens, or why it does not. */
  reported(child: Child, address: Address | undefined, reason: string): void {
    const slot = this.#slots.find((one) => one.holds(child));
    if (slot === undefined) return;
    slot.reported(address, reason);
    if (address !== undefined) this.#answered(address);
    else if (!this.#hasListened && !this.#hasFailed) {
      this.#hasFailed = true;
      for (const one of this.#slots) one.close();
      this.#deps.onFailed(reason);
    }
    this.#deps.onChange();
  }

  /** Whether a child that is gone was a proxy; if so it is started again. */
  gone(child: Child, exit: ProcessExit): boolean {
    const slot = this.#slots.find((one) => one.holds(child));
    if (slot === undefined) return child.role === "proxy";
    slot.gone(child, exit);
    this.#deps.onChange();
    return true;
  }

  /** Ends all for good: they take nothing new and finish what they have for at most `timeoutMs`. Resolves when they are gone. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.drain(timeoutMs)));
  }

  #answered(address: Address): void {
    this.#listen = address;
    this.#hasListened = true;
    if (this.#wasToldReady) return;
    this.#wasToldReady = true;
    this.#deps.onReady(address);
    this.start();
  }
}
