import { readAutoscaling } from "../../core/autoscaling-options.ts";
import { ProblemList } from "../../core/problem-list.ts";
import type { AutoscalingSpec } from "../../core/spec.ts";

/** The option `autoscaling` as a deployment has it that names only these. */
export function autoscalingSpec(given: Partial<AutoscalingSpec> = {}): AutoscalingSpec {
  const problems = new ProblemList();
  const spec = readAutoscaling(problems, "autoscaling", given);
  problems.throwIfAny("the fixture");
  if (spec === undefined) throw new Error("autoscaling was not read");
  return spec;
}
