import { DeadlineExceededError } from "../core/error.ts";
import type { Cancellation } from "../core/cancellation.ts";
import { isTooLate } from "./decide/batch.ts";
import type { SelectItem } from "./decide/select.ts";

/** Who waits for an item. */
export type BatchCaller = {
  readonly deadlineAt: number;
  readonly cancellation: Cancellation;
  /** A higher one goes first. Default 0. */
  readonly priority?: number | undefined;
};

/** What an entry is made of. */
export type EntryInput<I, O, C> = {
  readonly item: I;
  readonly caller: C;
  readonly arrivedAt: number;
  readonly key: string;
  readonly length: number | undefined;
  readonly cost: number | undefined;
  /** How errors name the handler. */
  readonly name: () => string;
  readonly onResult: (result: O) => void;
  readonly onError: (error: Error) => void;
};

/** One item from its arrival to its outcome, of which it has exactly one. */
export class BatchEntry<I, O, C> implements SelectItem {
  readonly item: I;
  readonly caller: C;
  readonly arrivedAt: number;
  readonly deadlineAt: number;
  readonly priority: number;
  readonly key: string;
  readonly length: number | undefined;
  readonly cost: number | undefined;
  /** It was answered, failed or was cancelled. */
  hasEnded = false;
  readonly #input: EntryInput<I, O, C>;
  #unsubscribe: (() => void) | undefined;

  constructor(input: EntryInput<I, O, C & BatchCaller>) {
    const { item, caller, arrivedAt, key, length, cost } = input;
    this.item = item;
    this.caller = caller;
    this.arrivedAt = arrivedAt;
    this.deadlineAt = caller.deadlineAt;
    this.priority = caller.priority ?? 0;
    this.key = key;
    this.length = length;
    this.cost = cost;
    this.#input = input as EntryInput<I, O, C>;
  }

  /** Fails as soon as the caller's request is cancelled, and says so. */
  watch(cancellation: Cancellation, onCancelled: () => void): void {
    this.#unsubscribe = cancellation.onCancel((reason) => {
      onCancelled();
      this.reject(reason);
    });
  }

  resolve(result: O): void {
    if (this.#end()) this.#input.onResult(result);
  }

  reject(error: Error): void {
    if (this.#end()) this.#input.onError(error);
  }

  /** Fails when it would not be answered in time by a batch that ends at `endsAt`; true when so. */
  expire(now: number, endsAt = now): boolean {
    if (!isTooLate(this, endsAt)) return false;
    const name = this.#input.name();
    const text = isTooLate(this, now)
      ? `the deadline passed while the request waited for a batch of ${name}`
      : `a batch of ${name} that it could be in would end in about ${Math.ceil(endsAt - now)} ms, after the request's deadline`;
    this.reject(new DeadlineExceededError(`${text}: raise the time limit, or add replicas`));
    return true;
  }

  #end(): boolean {
    if (this.hasEnded) return false;
    this.hasEnded = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    return true;
  }
}
