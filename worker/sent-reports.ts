import type { ReplicaReport } from "../core/assignment.ts";
import type { ReplicaId } from "../core/ids.ts";

/** Remembers what the controller was told of each replica, so that it hears of changes only. */
export class SentReports {
  /** Text of the newest report of each. */
  readonly #texts = new Map<ReplicaId, string>();

  /** The controller has just been told all of this, and knows nothing else. */
  restart(reports: readonly ReplicaReport[]): void {
    this.#texts.clear();
    this.take(reports);
  }

  /** Those that differ from what was told, which counts as told from now on. */
  take(reports: readonly ReplicaReport[]): readonly ReplicaReport[] {
    return reports.filter((report) => {
      const text = JSON.stringify(report);
      if (this.#texts.get(report.id) === text) return false;
      this.#texts.set(report.id, text);
      return true;
    });
  }

  /** A replica is gone. */
  forget(replica: ReplicaId): void {
    this.#texts.delete(replica);
  }
}
