/** Something that collects what it writes. */
export interface Flushable {
  flush(): void;
}

/** Flushes what was collected during one turn of the event loop at its end, for all connections of a front together. */
export class FlushQueue {
  #due: Flushable[] = [];

  /** Once per turn and writer. */
  add(writer: Flushable): void {
    if (this.#due.length === 0) setImmediate(() => this.#flush());
    this.#due.push(writer);
  }

  #flush(): void {
    const due = this.#due;
    this.#due = [];
    for (const writer of due) writer.flush();
  }
}
