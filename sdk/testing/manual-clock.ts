import { settle, StillClock } from "./still-clock.ts";

/** A clock that stands still until a test moves it, so that deadlines pass when the test says so and at no other time. */
export class ManualClock extends StillClock {
  /** Moves the time on, runs what comes due in order, and lets promises settle after each. */
  async advance(byMs: number): Promise<void> {
    const until = this.now() + byMs;
    await settle();
    while (this.runNext(until)) await settle();
    this.moveTo(until);
  }
}
