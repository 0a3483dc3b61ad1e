import { BEAT_DEADLINE_STEP_MS } from "../../core/limits.ts";

/** What is to be known of one ongoing request. */
type Deadline = { readonly deadlineAt: number };

/**
 * What a replica's ongoing requests add up to: how long there were how many, and the latest of their deadlines. Exact at
 * every moment, because the request that comes next may be the one that blocks the event loop; told only where it is not
 * near what was told before, which with one time limit for all is four times a second. Costs a few numbers per request.
 */
export class OngoingLoad {
  readonly #onDeadline: () => void;
  #count = 0;
  #requestMs = 0;
  #since = 0;
  #latest = 0;
  #told = 0;

  /** @param onDeadline the latest deadline is another than before, by more than BEAT_DEADLINE_STEP_MS. */
  constructor(onDeadline: () => void) {
    this.#onDeadline = onDeadline;
  }

  /** Of what is ongoing; 0 without any, or where none has a deadline. */
  get latestDeadlineAt(): number {
    return this.#latest;
  }

  /** It is being told just now, for whatever reason; what is told next is compared with this. */
  told(): void {
    this.#told = this.#latest;
  }

  /** A request was taken, at `now`. */
  added({ deadlineAt }: Deadline, now: number): void {
    this.#step(now, 1);
    if (deadlineAt > this.#latest && deadlineAt !== Infinity) this.#latest = deadlineAt;
    this.#tell();
  }

  /** One ended; `all` gives those that are left, and is asked only where the one that ended had the latest deadline. */
  removed({ deadlineAt }: Deadline, now: number, all: () => Iterable<Deadline>): void {
    this.#step(now, -1);
    // With nothing left there is nothing that could be late; what comes next is told when it comes.
    if (this.#count === 0) this.#latest = 0;
    else if (deadlineAt >= this.#latest) this.changed(all);
  }

  /** The deadline of one of them is another than before. A WebSocket's, which lasts for ever, is nobody's. */
  changed(all: () => Iterable<Deadline>): void {
    let latest = 0;
    for (const { deadlineAt } of all()) if (deadlineAt > latest && deadlineAt !== Infinity) latest = deadlineAt;
    this.#latest = latest;
    this.#tell();
  }

  /** Milliseconds that requests were ongoing, all of them together: two for one second make 2,000. */
  requestMs(now: number): number {
    return this.#requestMs + this.#count * (now - this.#since);
  }

  #step(now: number, change: 1 | -1): void {
    this.#requestMs += this.#count * (now - this.#since);
    this.#since = now;
    this.#count += change;
  }

  #tell(): void {
    if (Math.abs(this.#latest - this.#told) <= BEAT_DEADLINE_STEP_MS) return;
    this.told();
    this.#onDeadline();
  }
}
