import { ProblemList } from "../../core/problem-list.ts";
import { readRollout } from "../../core/rollout-options.ts";
import type { RolloutSpec } from "../../core/spec.ts";

/** The option `rollout` as a deployment has it that names only these. */
export function rolloutSpec(given: Partial<RolloutSpec> = {}): RolloutSpec {
  const problems = new ProblemList();
  const spec = readRollout(problems, "rollout", given);
  problems.throwIfAny("the fixture");
  return spec;
}
