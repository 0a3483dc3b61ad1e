/** What any call through a handle answers with; see {@link remoteCall}. */
export type RemoteCall = Promise<unknown> & AsyncIterable<unknown>;

/**
 * Makes a call's promise iterable too. Whether a method yields is known only when its answer comes, so every call is both:
 * a promise of the result (for a method that yields, of its items), and an iterable of those items. It stays the promise
 * that it is, sent already: awaiting it, not awaiting it and passing it to another call are what they are with any promise.
 */
export function remoteCall(call: Promise<unknown>): RemoteCall {
  // On the prototype, which costs a tenth of a property of its own. `constructor` stays Promise, so awaiting stays fast.
  return Object.setPrototypeOf(call, PROTOTYPE) as RemoteCall;
}

const PROTOTYPE = Object.create(Promise.prototype, {
  [Symbol.asyncIterator]: {
    value(this: Promise<unknown>): AsyncIterator<unknown> {
      return new RemoteItems(this);
    },
  },
}) as object;

/** The items of a call whose answer may not have come yet. */
class RemoteItems implements AsyncIterator<unknown> {
  readonly #call: Promise<unknown>;
  #items: AsyncIterator<unknown> | undefined;

  constructor(call: Promise<unknown>) {
    this.#call = call;
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#items?.next() ?? this.#open().then((items) => items.next());
  }

  /** Early out of the loop: what is left is not wanted. */
  async return(): Promise<IteratorResult<unknown>> {
    const items = this.#items ?? (await this.#open());
    return (await items.return?.()) ?? { done: true, value: undefined };
  }

  async #open(): Promise<AsyncIterator<unknown>> {
    const result = await this.#call;
    if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) {
      throw new TypeError("the call answered with one value, not item by item: await it, do not iterate it");
    }
    this.#items = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    return this.#items;
  }
}
