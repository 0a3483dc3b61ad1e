/** Items that wait: a higher priority first, and within one of them first in, first out. Any may be taken out. */
export class WaitingItems<E extends { readonly priority: number }> implements Iterable<E> {
  /** By priority; the highest first. Most batch methods only ever have one. */
  readonly #levels: { readonly priority: number; readonly entries: Set<E> }[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many leave before one that comes now with this priority. */
  aheadOf(priority: number): number {
    let count = 0;
    for (const level of this.#levels) if (level.priority >= priority) count += level.entries.size;
    return count;
  }

  add(entry: E): void {
    const { priority } = entry;
    let at = this.#levels.findIndex((level) => level.priority <= priority);
    if (at < 0) at = this.#levels.length;
    if (this.#levels[at]?.priority !== priority) this.#levels.splice(at, 0, { priority, entries: new Set() });
    this.#levels[at]?.entries.add(entry);
    this.#size += 1;
  }

  /** False when it does not wait. */
  delete(entry: E): boolean {
    const at = this.#levels.findIndex((level) => level.priority === entry.priority);
    const entries = this.#levels[at]?.entries;
    if (entries?.delete(entry) !== true) return false;
    this.#size -= 1;
    if (entries.size === 0) this.#levels.splice(at, 1);
    return true;
  }

  /** What it stands at may be taken out meanwhile. */
  *[Symbol.iterator](): Iterator<E> {
    // A level that becomes empty goes, and the next one must not be passed over then.
    for (const { entries } of [...this.#levels]) yield* entries;
  }
}
