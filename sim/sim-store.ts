import type { Random } from "../core/random.ts";
import { StoreIndex } from "../controller/state/store-index.ts";
import type { Store, StoreChange, StoreEntry, StoreInfo } from "../controller/state/store.ts";
import { between, chance } from "./seed.ts";
import { KILLED, type SimProcess } from "./sim-process.ts";

/**
 * Desired state on a simulated disk (`controller/state/store.ts`). A write is on the disk some time before it is
 * acknowledged; what is not acknowledged when the process dies is there afterwards or not (a torn record counts as
 * not), as the seed says. What was acknowledged is always there.
 */

/** Longest write of a disk that is well. */
export const USUAL_WRITE_MS = 4;

/** Ends the process at one of its writes: the one of that number, counted from 1, before or after it is on the disk. */
export type CrashAtWrite = { readonly write: number; readonly isWritten: boolean };

/** What outlives the process. */
export class SimDisk {
  readonly records: StoreChange[] = [];
  readonly random: Random;
  readonly crashAtWrite: CrashAtWrite | undefined;
  /** Writes that came to their end, whatever that was. */
  writeCount = 0;
  /** Longest time a write to it takes; a fault makes it slow. */
  mostWriteMs = USUAL_WRITE_MS;

  constructor(random: Random, crashAtWrite?: CrashAtWrite) {
    this.random = random;
    this.crashAtWrite = crashAtWrite;
  }
}

/** Share of unacknowledged writes that a crash leaves on the disk. */
const SURVIVING_SHARE = 0.5;

/** The store of one process. */
export class SimStore implements Store {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  readonly #index = new StoreIndex();
  /** Writes happen one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #unacknowledged: StoreChange | undefined;
  #isFenced = false;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
    for (const record of disk.records) this.#index.write(record);
    process.onDeath(() => {
      const record = this.#unacknowledged;
      if (record !== undefined && chance(disk.random, SURVIVING_SHARE)) disk.records.push(record);
    });
  }

  /** Another process has the disk now: nothing of this one is written any more. */
  fence(): void {
    this.#isFenced = true;
    this.#unacknowledged = undefined;
  }

  get(key: string): Promise<StoreEntry | undefined> {
    return this.#process.guard(Promise.resolve(this.#index.get(key)));
  }

  put(key: string, value: string, expectRevision?: number): Promise<number> {
    return this.#write(key, value, expectRevision);
  }

  async delete(key: string, expectRevision?: number): Promise<void> {
    await this.#write(key, undefined, expectRevision);
  }

  list(prefix: string): Promise<readonly StoreEntry[]> {
    return this.#process.guard(Promise.resolve(this.#index.list(prefix)));
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    return this.#index.watch(prefix, onChange);
  }

  info(): Promise<StoreInfo> {
    return Promise.resolve({ kind: "simulated", revision: this.#index.revision, quarantined: [], failure: undefined });
  }

  #write(key: string, value: string | undefined, expectRevision: number | undefined): Promise<number> {
    const write = this.#last.then(() => this.#writeNow(key, value, expectRevision));
    this.#last = write.catch(() => undefined);
    return write;
  }

  async #writeNow(key: string, value: string | undefined, expectRevision: number | undefined): Promise<number> {
    if (this.#isFenced) throw new Error("the store belongs to another controller");
    this.#index.expect(key, expectRevision);
    if (value === undefined && this.#index.get(key) === undefined) return this.#index.revision;
    const record: StoreChange = { key, value, revision: this.#index.revision + 1 };
    this.#unacknowledged = record;
    const delayMs = between(this.#disk.random, this.#disk.mostWriteMs / 4, this.#disk.mostWriteMs);
    await new Promise<void>((resolve) => {
      this.#process.clock.after(delayMs, resolve);
    });
    if (this.#isFenced) throw new Error("the store belongs to another controller");
    this.#unacknowledged = undefined;
    this.#disk.writeCount += 1;
    const { crashAtWrite, writeCount } = this.#disk;
    if (writeCount === crashAtWrite?.write) {
      if (crashAtWrite.isWritten) this.#disk.records.push(record);
      this.#process.die(KILLED);
      return new Promise(() => {});
    }
    this.#disk.records.push(record);
    this.#index.write(record);
    return record.revision;
  }
}
