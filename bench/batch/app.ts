/** What the batching benchmark deploys where no real model is needed: models that sleep as long as models.ts says. */
import { setTimeout as sleep } from "node:timers/promises";
import { application, batch, deployment } from "thornback";
import { ASK_FIGURES, DEADLINE, FIXED, PADDED, SLEEP } from "./models.ts";

class Sleep {
  readonly #run = batch({ maxBatchSize: SLEEP.maxBatchSize }, async (items: number[]) => {
    await sleep(SLEEP.runMs);
    return items;
  });

  async predict(item: number): Promise<number> {
    return this.#run(item);
  }
}

class Fixed {
  readonly #run = batch({ maxBatchSize: FIXED.maxBatchSize }, async (items: number[]) => {
    await sleep(FIXED.runMs(items.length));
    return items;
  });

  async predict(item: number): Promise<number> {
    return this.#run(item);
  }
}

/** Counts items that nobody could have an answer to in time any more when it was given them. */
class Deadline {
  #items = 0;
  #expired = 0;
  readonly #run = batch({ maxBatchSize: DEADLINE.maxBatchSize }, async (items: number[], contexts) => {
    const now = performance.now();
    this.#items += items.length;
    this.#expired += contexts.filter(({ deadlineAt }) => deadlineAt < now).length;
    await sleep(DEADLINE.runMs);
    return items;
  });

  async predict(item: number | typeof ASK_FIGURES): Promise<number | { items: number; expired: number }> {
    return item === ASK_FIGURES ? { items: this.#items, expired: this.#expired } : this.#run(item);
  }
}

type PaddedFigures = { readonly items: number; readonly tokens: number; readonly padded: number };

/** Counts tokens it was given, and those with the padding up to the longest of each batch. */
class Padded {
  #items = 0;
  #tokens = 0;
  #padded = 0;
  readonly #run = batch(
    { maxBatchSize: PADDED.maxBatchSize, bucketBy: (length: number) => length },
    async (lengths: number[]) => {
      const longest = Math.max(...lengths);
      this.#items += lengths.length;
      this.#tokens += lengths.reduce((total, length) => total + length, 0);
      this.#padded += lengths.length * longest;
      await sleep(PADDED.runMs(lengths.length, longest));
      return lengths;
    },
  );

  async predict(length: number | typeof ASK_FIGURES): Promise<number | PaddedFigures> {
    if (length === ASK_FIGURES) return { items: this.#items, tokens: this.#tokens, padded: this.#padded };
    return this.#run(length);
  }
}

const fixed = deployment(Fixed);

export default [
  application(deployment(Sleep).bind(), { name: "sleep", routePrefix: "/sleep" }),
  application(fixed.bind(), { name: "one", routePrefix: "/one" }),
  application(fixed.options({ numReplicas: 2 }).bind(), { name: "two", routePrefix: "/two" }),
  application(deployment(Deadline).bind(), { name: "deadline", routePrefix: "/deadline" }),
  application(deployment(Padded, { maxOngoingRequests: 512 }).bind(), { name: "padded", routePrefix: "/padded" }),
];
