import type { DeploymentName } from "./ids.ts";
import type { ProblemList } from "./problem-list.ts";

/** Most characters of a deployment's name. */
export const MOST_DEPLOYMENT_NAME_LENGTH = 63;

const DEPLOYMENT_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/;

/** A deployment's name; noted in `problems` when it is not one. */
export function readDeploymentName(problems: ProblemList, path: string, value: unknown): DeploymentName {
  const what = "1 to 63 letters, digits, _ and -, not beginning with -";
  return problems.readText(path, value, DEPLOYMENT_NAME, what) as DeploymentName;
}
