import type { ServeError } from "./error.ts";

/**
 * One request's cancellation. Costs an object and no more until somebody asks for an `AbortSignal`, because making one
 * costs 4 µs and most requests never need it.
 */
export class Cancellation {
  #reason: ServeError | undefined;
  #controller: AbortController | undefined;
  #listeners: ((reason: ServeError) => void)[] | undefined;

  /** Why it was cancelled; undefined while it was not. */
  get reason(): ServeError | undefined {
    return this.#reason;
  }

  /** For user code; made when first asked for. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /** Calls back once when cancelled, at once if it is already. Returns how to unsubscribe. */
  onCancel(listener: (reason: ServeError) => void): () => void {
    if (this.#reason !== undefined) {
      listener(this.#reason);
      return () => {};
    }
    (this.#listeners ??= []).push(listener);
    return () => {
      const at = this.#listeners?.indexOf(listener) ?? -1;
      if (at >= 0) this.#listeners?.splice(at, 1);
    };
  }

  /** Cancels; only the first reason counts. */
  cancel(reason: ServeError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener(reason);
    this.#controller?.abort(reason);
  }
}

/**
 * A cancellation that comes when the last of these has come: until then somebody waits. None: it never comes. `stop`: it need
 * not come any more, and those that live on forget it.
 */
export function whenAllCancelled(cancellations: readonly Cancellation[]): { all: Cancellation; stop: () => void } {
  const all = new Cancellation();
  let waitingCount = cancellations.length;
  const unsubscribes = cancellations.map((cancellation) =>
    cancellation.onCancel((reason) => {
      waitingCount -= 1;
      if (waitingCount === 0) all.cancel(reason);
    }),
  );
  const stop = (): void => {
    for (const unsubscribe of unsubscribes) unsubscribe();
  };
  return { all, stop };
}
