/** Which replicas have a model: what each of them has, the other way round. */
export class ModelHolders<C> {
  readonly #holders = new Map<string, Set<C>>();

  /** Those that have it, in any order. */
  of(modelId: string): Iterable<C> {
    return this.#holders.get(modelId) ?? NOBODY;
  }

  /** A replica has it now, or no longer. */
  set(modelId: string, replica: C, isHeld: boolean): void {
    const holders = this.#holders.get(modelId);
    if (!isHeld) {
      if (holders?.delete(replica) === true && holders.size === 0) this.#holders.delete(modelId);
    } else if (holders === undefined) this.#holders.set(modelId, new Set([replica]));
    else holders.add(replica);
  }
}

const NOBODY: readonly never[] = [];
