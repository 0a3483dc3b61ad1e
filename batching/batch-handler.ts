import type { BatchRunner } from "./batch-run.ts";

/** What a batch may be; may change while it is used. */
export type BatchLimits = {
  readonly maxBatchSize: number;
  /** Most that an item waits while nothing runs, in milliseconds. Default: as long as it pays. */
  readonly maxWaitMs?: number | undefined;
  /** Most that the items of a batch may cost together. Default: no limit. */
  readonly maxCost?: number | undefined;
};

/** What is to be known of an item before it runs. */
export type ItemTraits = {
  /** Items of different keys never run together. */
  readonly key?: string | undefined;
  /** Items are padded to the longest of their batch. */
  readonly length?: number | undefined;
  /** What `maxCost` limits; default: padded lengths, without lengths 1 each. */
  readonly cost?: number | undefined;
};

/** What a batcher drives. */
export type BatchHandler<I, O, C> = BatchRunner<I, O, C> &
  BatchLimits & {
    /** Asked once per item. May throw, which fails the item. Default: no item differs from another. */
    readonly traitsOf?: ((item: I, caller: C) => ItemTraits) | undefined;
    /** Items are answered, or begin to be, long before their batch ends: its end says nothing of their being in time. */
    readonly isEarly?: boolean | undefined;
    /**
     * It takes a call while one is under way, and begins it the moment that one ends. Without this it is called again only
     * after its answer, and has nothing to do until then.
     */
    readonly hasQueue?: boolean | undefined;
  };
