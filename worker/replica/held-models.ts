import type { RegisteredModelCache } from "../../core/construction.ts";
import { MOST_TOLD_MODELS } from "../../core/limits.ts";
import type { Gauge } from "../../core/metric.ts";

/** The models that a replica's caches have, all of them together: what its routers are told. */
export class HeldModels {
  readonly #caches: readonly RegisteredModelCache[];
  readonly #loaded: Gauge;
  #listener = (): void => {};

  constructor(caches: readonly RegisteredModelCache[], loaded: Gauge) {
    this.#caches = caches;
    this.#loaded = loaded;
  }

  /** Of the models that are loaded or loading, the one used last first; as many as routers are told of. */
  get modelIds(): string[] {
    const ids = new Set(this.#caches.flatMap(({ modelIds }) => modelIds.toReversed()));
    return [...ids].slice(0, MOST_TOLD_MODELS);
  }

  /** Calls back whenever a load begins or a model is let go. */
  watch(listener: () => void): void {
    this.#listener = listener;
  }

  /** Other models are loaded or loading than before. */
  changed(): void {
    this.#loaded.set(this.#caches.reduce((sum, { modelIds }) => sum + modelIds.length, 0));
    this.#listener();
  }

  /** Closes all of them. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.close()));
  }
}
