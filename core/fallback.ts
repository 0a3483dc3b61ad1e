import type { DeploymentName } from "./ids.ts";
import { MOST_FALLBACKS } from "./limits.ts";
import type { ProblemList } from "./problem-list.ts";
import type { DeploymentSpec } from "./spec.ts";

/** What of a deployment says what it falls back to. */
type Falling = {
  readonly name: DeploymentName;
  readonly options: Pick<DeploymentSpec["options"], "fallback">;
  readonly hasAuthorize?: boolean | undefined;
};

/**
 * Notes every deployment of an application whose `fallback` is none of them, would let in whom the deployment itself asks
 * for leave, leads back to itself, or is the first of more than MOST_FALLBACKS in a row.
 */
export function checkFallbacks(problems: ProblemList, deployments: readonly Falling[]): void {
  const byName = new Map(deployments.map((deployment) => [deployment.name, deployment]));
  for (const { name, options, hasAuthorize } of deployments) {
    if (options.fallback === undefined) continue;
    const path = `deployments.${name}.fallback`;
    const first = byName.get(options.fallback);
    if (first === undefined) {
      problems.add(path, `is ${options.fallback}, which is not among the deployments`);
      continue;
    }
    if (hasAuthorize === true && first.hasAuthorize !== true) {
      const danger = `everybody would be let in while ${name} is down`;
      problems.add(path, `is ${first.name}, which has no authorize(request), and ${name} has one: ${danger}`);
    }
    const chain = [name];
    let next: DeploymentName | undefined = options.fallback;
    while (next !== undefined && next !== name && chain.length <= MOST_FALLBACKS) {
      chain.push(next);
      next = byName.get(next)?.options.fallback;
    }
    if (next === name) problems.add(path, `leads back to itself: ${[...chain, name].join(" → ")}`);
    else if (next !== undefined) problems.add(path, `is the first of more than ${MOST_FALLBACKS} fallbacks in a row`);
  }
}
