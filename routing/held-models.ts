/** Hears which models a replica has, one by one. */
export interface HeldModelsListener {
  /** It has the model now, or is about to; or no longer. */
  onModel(modelId: string, isHeld: boolean): void;
}

/**
 * Which of several models one replica has, as a router knows it: those it told of, and those this router has just sent it
 * requests for. The latter at once, so that a burst for one model does not load it in every replica before the first of
 * them has said that it does.
 */
export class HeldModels {
  readonly #listener: HeldModelsListener;
  #told: ReadonlySet<string> = NONE;
  /** Requests sent there that have not ended, by model. */
  readonly #sent = new Map<string, number>();

  constructor(listener: HeldModelsListener) {
    this.#listener = listener;
  }

  /** How many it has, or is about to have. */
  get count(): number {
    let count = this.#told.size;
    for (const modelId of this.#sent.keys()) if (!this.#told.has(modelId)) count += 1;
    return count;
  }

  /** Whether it has the model, or is about to. */
  has(modelId: string): boolean {
    return this.#told.has(modelId) || this.#sent.has(modelId);
  }

  /** The replica said which ones it has, loading ones among them; none when the link to it was lost. */
  tell(modelIds: readonly string[]): void {
    const before = this.#told;
    const told = modelIds.length === 0 ? NONE : new Set(modelIds);
    this.#told = told;
    for (const modelId of before) if (!this.has(modelId)) this.#listener.onModel(modelId, false);
    for (const modelId of told) {
      if (!before.has(modelId) && !this.#sent.has(modelId)) this.#listener.onModel(modelId, true);
    }
  }

  /** A request for this model was sent there. */
  sent(modelId: string): void {
    const isNew = !this.has(modelId);
    this.#sent.set(modelId, (this.#sent.get(modelId) ?? 0) + 1);
    if (isNew) this.#listener.onModel(modelId, true);
  }

  /** Such a request has ended, or was given up. */
  ended(modelId: string): void {
    const count = this.#sent.get(modelId) ?? 0;
    if (count > 1) {
      this.#sent.set(modelId, count - 1);
      return;
    }
    if (this.#sent.delete(modelId) && !this.#told.has(modelId)) this.#listener.onModel(modelId, false);
  }
}

const NONE: ReadonlySet<string> = new Set();
