import type { NodeResources } from "../../core/assignment.ts";
import { createAvailableCheck } from "./available.ts";
import { createBatchItemsCheck } from "./batch-items.ts";
import { createBatchSizeCheck } from "./batch-size.ts";
import { createBudgetCheck } from "./budget.ts";
import { createCapacityCheck } from "./capacity.ts";
import type { Check } from "./check.ts";
import { createConvergedCheck } from "./converged.ts";
import { createDrainCheck } from "./drain.ts";
import { createEndsOnceCheck } from "./ends-once.ts";
import { createEpochsCheck } from "./epochs.ts";
import { createHysteresisCheck } from "./hysteresis.ts";
import { createLeftCheck } from "./left.ts";
import { createOnceCheck } from "./once.ts";
import { createOngoingCheck } from "./ongoing.ts";
import { createQueueCheck } from "./queue.ts";
import { createReasonCheck } from "./reason.ts";
import { createRunsOnceCheck } from "./runs-once.ts";
import { createTableVersionCheck } from "./table-version.ts";
import { createTargetsCheck } from "./targets.ts";
import { createUncaughtCheck } from "./uncaught.ts";
import { createVerifiedCheck } from "./verified.ts";

/** Every check of a run; `isAtRest` tells when it may end: what should run runs, and no request is open. */
export function createChecks(nodes: ReadonlyMap<string, NodeResources>): {
  readonly checks: readonly Check[];
  readonly isAtRest: () => boolean;
} {
  const endsOnce = createEndsOnceCheck();
  const converged = createConvergedCheck();
  const checks = [
    endsOnce,
    createRunsOnceCheck(),
    createOngoingCheck(),
    createCapacityCheck(nodes),
    createDrainCheck(),
    createQueueCheck(),
    createTableVersionCheck(),
    createReasonCheck(),
    createBatchSizeCheck(),
    createBatchItemsCheck(),
    createAvailableCheck(),
    createBudgetCheck(),
    createTargetsCheck(),
    createHysteresisCheck(),
    createVerifiedCheck(),
    createOnceCheck(),
    createEpochsCheck(),
    createLeftCheck(),
    createUncaughtCheck(),
    converged,
  ];
  return { checks, isAtRest: () => converged.isConverged() && endsOnce.openCount() === 0 };
}
