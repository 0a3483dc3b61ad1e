import type { DeploymentName } from "./ids.ts";
import type { ProblemList } from "./problem-list.ts";

/** Most characters of a deployment's name. */
export const MOST_DEPLOYMENT_NAME_LENGTH = 63;

const DEPLOYMENT_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/;

/** A deployment's name; noted in `problems` when it is not one. */
export function readDeploymentName(problems: ProblemList, path: string, value: unknown): DeploymentName {
  const what = "1 to 63 letters, digits, _ and -, not beginning with -";
  const name = problems.readText(path, value, DEPLOYMENT_NAME, what) as DeploymentName;
  refuseInheritedName(problems, path, name);
  return name;
}

/**
 * Notes a name that every JavaScript object has a member of, such as `constructor`: where things are kept by name, in an
 * application's code too, it would be found although nobody put it there.
 */
export function refuseInheritedName(problems: ProblemList, path: string, name: string): void {
  if (Object.hasOwn(Object.prototype, name)) {
    problems.add(path, `is ${name}, which every JavaScript object has; choose another name`);
  }
}
