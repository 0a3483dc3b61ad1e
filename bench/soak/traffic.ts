import { ArrivalSchedule } from "../../load/arrival-schedule.ts";
import { systemRandom } from "../../core/random.ts";
import { readTarget } from "../../load/load-request.ts";
import { HttpCaller } from "./http-caller.ts";
import { KINDS, type SoakKind } from "./kinds.ts";
import type { Ledger } from "./ledger.ts";
import { callSocket } from "./socket-caller.ts";

const TURN_MS = 5;
/** Of all clients; they leave at some moment while their exchange usually lasts. */
const LEAVING_SHARE = 0.1;
const USUAL_MS = 40;
const USUAL_STREAM_MS = 1_000;

/** Clients of every kind, as they come, independent of each other and of the answers. */
export class SoakTraffic {
  readonly #ledger: Ledger;
  readonly #caller: HttpCaller;
  readonly #port: number;
  readonly #lanes: readonly { readonly kind: SoakKind; readonly schedule: ArrivalSchedule }[];
  readonly #startedAt = performance.now();
  readonly #timer = setInterval(() => this.#turn(), TURN_MS);

  constructor(url: string, ledger: Ledger, rate: number) {
    const target = readTarget(url);
    if (target === undefined) throw new TypeError(`"${url}" is no URL of a server`);
    this.#ledger = ledger;
    this.#port = target.port;
    this.#caller = new HttpCaller(target);
    this.#lanes = Object.values<SoakKind>(KINDS).map((kind) => ({
      kind,
      schedule: new ArrivalSchedule(kind.perSecond * rate, "poisson", systemRandom),
    }));
  }

  /** Nobody new comes; resolves when the last has ended, or has had time to. */
  async stop(mostMs: number): Promise<void> {
    clearInterval(this.#timer);
    const giveUpAt = performance.now() + mostMs;
    while (this.#ledger.ongoingCount > 0 && performance.now() < giveUpAt) {
      await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
    this.#caller.close();
  }

  #turn(): void {
    const elapsedMs = performance.now() - this.#startedAt;
    for (const { kind, schedule } of this.#lanes) {
      for (; schedule.nextDueMs <= elapsedMs; schedule.advance()) this.#send(kind);
    }
  }

  #send(kind: SoakKind): void {
    const entry = this.#ledger.open(kind);
    const usualMs = kind.application === "streams" ? USUAL_STREAM_MS : USUAL_MS;
    const leaveAfterMs = Math.random() < LEAVING_SHARE ? Math.random() * usualMs : undefined;
    if (kind.name !== KINDS.sockets.name) this.#caller.call(kind, entry, leaveAfterMs);
    else callSocket(this.#port, entry, leaveAfterMs).catch((error: unknown) => entry.end(String(error)));
  }
}
