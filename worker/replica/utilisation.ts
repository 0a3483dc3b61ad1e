/** Milliseconds that a part of a replica has been at work, all together. */
export type WorkedMs = (now: number) => number;

/** Told in such steps, so that a load that hardly changes is not told time and again. */
const STEPS = 20;

/** How much of the time a replica is at work: the share of its busiest part. */
export class UtilisationMeter {
  readonly #parts: () => readonly WorkedMs[];
  #before: readonly number[] = [];
  #lookedAt: number;

  /** @param parts asked at every look; one that is new counts from the look after. */
  constructor(parts: () => readonly WorkedMs[], now: number) {
    this.#parts = parts;
    this.#lookedAt = now;
    this.#before = parts().map((workedMs) => workedMs(now));
  }

  /** Between the look before and this one: 0–1 in steps of 0.05. */
  look(now: number): number {
    const elapsedMs = now - this.#lookedAt;
    const worked = this.#parts().map((workedMs) => workedMs(now));
    let mostMs = 0;
    for (const [at, workedMs] of worked.entries()) {
      const sinceMs = workedMs - (this.#before[at] ?? workedMs);
      if (Number.isFinite(sinceMs)) mostMs = Math.max(mostMs, sinceMs);
    }
    this.#before = worked;
    this.#lookedAt = now;
    if (elapsedMs <= 0) return 0;
    return Math.round(Math.min(1, mostMs / elapsedMs) * STEPS) / STEPS;
  }
}
