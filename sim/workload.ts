import type { DeploymentId, RequestId } from "../core/ids.ts";
import type { Random } from "../core/random.ts";
import { between, chance, oneOf } from "./seed.ts";

/**
 * Clients, open loop: a request comes when it comes, whether or not earlier ones have ended. Each source draws a phase
 * (steady, burst, silence) for a few seconds, then the next. Some clients go away early; deadlines differ.
 */

/** One request as a client sends it. */
export type ClientRequest = {
  readonly id: RequestId;
  readonly deployment: DeploymentId;
  readonly timeoutMs: number;
  /** After so long the client goes away; undefined: it waits. */
  readonly cancelAfterMs: number | undefined;
};

/** Load on one deployment. */
export type SourceOptions = {
  readonly deployment: DeploymentId;
  /** In a steady phase. A burst has `burstFactor` times as many. */
  readonly requestsPerSecond: number;
  readonly burstFactor: number;
  readonly cancelShare: number;
  /** Deadlines to draw from. */
  readonly timeoutsMs: readonly number[];
  /** What it does instead of drawing phases, one after the other; undefined: it draws them. */
  readonly script?: readonly LoadPhase[] | undefined;
};

/** A phase of a script: so many requests each second, at random instants, until then. */
export type LoadPhase = { readonly untilMs: number; readonly requestsPerSecond: number };

/** What the load runs on. */
export type WorkloadDeps = {
  readonly random: Random;
  readonly after: (delayMs: number, callback: () => void) => void;
  readonly now: () => number;
  readonly send: (request: ClientRequest) => void;
};

const PHASE_MS = { least: 500, most: 3_000 } as const;

/** All clients of a run. */
export class Workload {
  readonly #deps: WorkloadDeps;
  readonly #untilMs: number;
  #count = 0;

  constructor(deps: WorkloadDeps, untilMs: number) {
    this.#deps = deps;
    this.#untilMs = untilMs;
  }

  /** Requests sent so far. */
  get count(): number {
    return this.#count;
  }

  /** Begins one source. */
  start(source: SourceOptions): void {
    if (source.script === undefined) this.#phase(source);
    else this.#follow(source, source.script);
  }

  /** Goes through a script, phase by phase. */
  #follow(source: SourceOptions, script: readonly LoadPhase[]): void {
    const { random, after, now } = this.#deps;
    let [phase, ...rest] = script;
    let at = now();
    const next = (): void => {
      while (phase !== undefined) {
        const { requestsPerSecond, untilMs } = phase;
        const gapMs = requestsPerSecond === 0 ? Infinity : (-Math.log(1 - random.next()) * 1_000) / requestsPerSecond;
        if (at + gapMs < untilMs) {
          at += gapMs;
          after(at - now(), () => {
            this.#send(source);
            next();
          });
          return;
        }
        at = untilMs;
        [phase, ...rest] = rest;
      }
    };
    next();
  }

  #phase(source: SourceOptions): void {
    const { random, now, after } = this.#deps;
    if (now() >= this.#untilMs) return;
    const kind = oneOf(random, ["steady", "steady", "steady", "burst", "silence"]) ?? "steady";
    const endsAt = now() + between(random, PHASE_MS.least, PHASE_MS.most);
    const factor = kind === "burst" ? source.burstFactor : kind === "steady" ? 1 : 0;
    if (factor === 0) after(endsAt - now(), () => this.#phase(source));
    else this.#arrivals(source, source.requestsPerSecond * factor, endsAt);
  }

  #arrivals(source: SourceOptions, perSecond: number, endsAt: number): void {
    const { random, now, after } = this.#deps;
    const gapMs = (-Math.log(1 - random.next()) * 1_000) / perSecond;
    if (now() + gapMs >= endsAt) {
      after(endsAt - now(), () => this.#phase(source));
      return;
    }
    after(gapMs, () => {
      if (now() >= this.#untilMs) return;
      this.#send(source);
      this.#arrivals(source, perSecond, endsAt);
    });
  }

  #send({ deployment, cancelShare, timeoutsMs }: SourceOptions): void {
    const { random, send } = this.#deps;
    this.#count += 1;
    const timeoutMs = oneOf(random, timeoutsMs) ?? 60_000;
    const cancelAfterMs = chance(random, cancelShare) ? between(random, 0, timeoutMs / 4) : undefined;
    send({ id: `request-${this.#count}` as RequestId, deployment, timeoutMs, cancelAfterMs });
  }
}
