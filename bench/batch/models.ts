/** How long the models of app.ts take. They sleep, so that what is measured is when batches are cut and not how fast a core is. */

/** Any batch of up to 32 takes 100 ms: 320 items a second. */
export const SLEEP = { maxBatchSize: 32, runMs: 100 } as const;

/** Any batch of up to 16 takes 50 ms: 320 items a second. */
export const DEADLINE = { maxBatchSize: 16, runMs: 50 } as const;

/** A fixed part and one for each item. */
export const FIXED = { maxBatchSize: 32, runMs: (count: number) => 20 + 0.5 * count } as const;

/** Every item is padded to the longest of its batch; 69 ms for 32 items of 100. */
export const PADDED = {
  maxBatchSize: 32,
  runMs: (count: number, longest: number) => 5 + 0.02 * count * longest,
} as const;

/** What a model is sent to be asked for its own figures instead of for an answer. */
export const ASK_FIGURES = "figures";
