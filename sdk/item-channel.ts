import { MOST_STREAM_WAITING_ITEMS } from "../core/limits.ts";

/** What a caller of a stream gets next; `done`: it has ended. */
export type ChannelStep<T> = { readonly done: false; readonly value: T } | { readonly done: true };

/**
 * One caller's stream of items: a batch pushes, the caller takes. Who pushes looks at `isFull` first, and waits for room as
 * long as it likes.
 */
export class ItemChannel<T> {
  readonly #items: T[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #taker: { readonly resolve: (step: ChannelStep<T>) => void; readonly reject: (error: Error) => void } | undefined;
  #onRoom: (() => void) | undefined;

  /** Whether what is pushed still reaches somebody. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  get isFull(): boolean {
    return this.isOpen && this.#items.length >= MOST_STREAM_WAITING_ITEMS;
  }

  /** Calls back once, when it is next not full. */
  onRoom(callback: () => void): void {
    this.#onRoom = callback;
  }

  /** Ignored once it has ended. */
  push(item: T): void {
    if (!this.isOpen) return;
    if (this.#taker === undefined) {
      this.#items.push(item);
      return;
    }
    this.#taker.resolve({ done: false, value: item });
    this.#taker = undefined;
  }

  /** Nothing more comes; with an error it has failed. The first end counts. */
  end(error?: Error): void {
    if (!this.isOpen) return;
    this.#end = { error };
    const taker = this.#taker;
    this.#taker = undefined;
    this.#hasRoom();
    if (error === undefined) taker?.resolve({ done: true });
    else taker?.reject(error);
  }

  /** One at a time. Rejects with the error it has failed with, once all that came before is taken. */
  take(): Promise<ChannelStep<T>> {
    const [item] = this.#items;
    if (this.#items.length > 0) {
      this.#items.shift();
      this.#hasRoom();
      return Promise.resolve({ done: false, value: item as T });
    }
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error);
    if (this.#end !== undefined) return Promise.resolve({ done: true });
    return new Promise((resolve, reject) => {
      this.#taker = { resolve, reject };
    });
  }

  #hasRoom(): void {
    const callback = this.#onRoom;
    this.#onRoom = undefined;
    callback?.();
  }
}
