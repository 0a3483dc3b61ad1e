/** A pending callback of a {@link Clock}. */
export interface Timer {
  /** Cancels the callback; calling it again, or after it ran, does nothing. */
  cancel(): void;
}

/** Where every long-lived object takes its time from, so that tests and the simulation can be the ones who move it. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary origin; the only time decisions see. */
  now(): number;
  /** Milliseconds since 1970, for people and for other machines; never for decisions. */
  wallTime(): number;
  /** Calls back once, no earlier than `delayMs` from now. A timer of the system clock does not keep a process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

/**
 * Calls back once, when the event loop's present turn is over: `setImmediate` in production. Whatever is to happen once a
 * turn, however often it is asked for in it (a flush, say), waits for this.
 */
export type Defer = (callback: () => void) => void;

/** The machine's event loop. */
export const systemDefer: Defer = (callback) => void setImmediate(callback);

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** The machine's clock for code that runs without a replica: a wait is to be waited for, so its timers keep the process alive. */
export const waitingClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs` of the clock's time, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
