import type { Version } from "../core/ids.ts";
import { BoundedQueue } from "./bounded-queue.ts";
import { DrainRate } from "./drain-rate.ts";

/** What waits for the same replicas: those of one version, or all of a deployment. */
export class Lane<T> {
  /** undefined: any will do. */
  readonly version: Version | undefined;
  /** Its requests asked for the version themselves: no other will do, even while it cannot serve. */
  readonly isPinned: boolean;
  readonly queue: BoundedQueue<T>;
  readonly drain = new DrainRate();
  /** Nothing is free for it, as far as the queues were served. */
  isBlocked = false;

  constructor(limit: number, version?: Version, isPinned = false) {
    this.queue = new BoundedQueue(limit);
    this.version = version;
    this.isPinned = isPinned;
  }
}
