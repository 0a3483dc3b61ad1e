import { settle, StillClock } from "../../sdk/testing/still-clock.ts";

export { settle };

/** A clock that stands still until a test moves it. */
export class ManualClock extends StillClock {
  /** Timers that have not run and were not cancelled. */
  override get pendingCount(): number {
    return super.pendingCount;
  }

  /** Moves the time on and runs what comes due, in order, also what that schedules within the time. */
  advance(byMs: number): void {
    const until = this.now() + byMs;
    while (this.runNext(until));
    this.moveTo(until);
  }

  /** Moves the time on without running anything, as a process sees it that was stopped meanwhile. */
  jump(byMs: number): void {
    this.moveTo(this.now() + byMs);
  }

  /** As `advance`, but lets promises settle after every timer. */
  async advanceAsync(byMs: number): Promise<void> {
    const until = this.now() + byMs;
    await settle();
    while (this.runNext(until)) await settle();
    this.moveTo(until);
  }
}
