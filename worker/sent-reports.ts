import type { ReplicaReport } from "../core/assignment.ts";
import type { ReplicaId } from "../core/ids.ts";
import { isSameData } from "../core/same-data.ts";

/** Remembers what the controller was told of each replica, so that it hears of changes only. */
export class SentReports {
  /** The newest report of each. */
  readonly #told = new Map<ReplicaId, ReplicaReport>();

  /** The controller has just been told all of this, and knows nothing else. */
  restart(reports: readonly ReplicaReport[]): void {
    this.#told.clear();
    this.take(reports);
  }

  /** Those that differ from what was told, which counts as told from now on. */
  take(reports: readonly ReplicaReport[]): readonly ReplicaReport[] {
    return reports.filter((report) => {
      if (isSameData(this.#told.get(report.id), report)) return false;
      this.#told.set(report.id, report);
      return true;
    });
  }

  /** A replica is gone. */
  forget(replica: ReplicaId): void {
    this.#told.delete(replica);
  }
}
