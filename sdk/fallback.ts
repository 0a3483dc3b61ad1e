import { MOST_DEPLOYMENT_NAME_LENGTH } from "../core/deployment-name.ts";
import { InvalidSpecError } from "../core/error.ts";
import { declaresMember } from "./class-fields.ts";
import { isClass } from "./deployment.ts";
import type { BoundParts, DeploymentClass, FallbackFunction, FetchFunction } from "./deployment.ts";

const SUFFIX = "-fallback";

/**
 * A deployment of its own for a function that stands in for another, so that whatever holds for deployments (replicas,
 * slots, status) holds for it too. It answers as `fetch` where the other has one, else as `predict`, with the same schemas.
 *
 * @throws {InvalidSpecError} when the other has neither
 */
export function functionFallback(name: string, parts: BoundParts, answer: FallbackFunction): BoundParts {
  const { env, idempotent } = parts.options;
  const { target, sources } = standIn(name, parts.target, answer);
  return {
    name: name.slice(0, MOST_DEPLOYMENT_NAME_LENGTH - SUFFIX.length) + SUFFIX,
    isNamed: false,
    target,
    sources,
    args: [],
    options: { ...(env === undefined ? {} : { env }), ...(idempotent === undefined ? {} : { idempotent }) },
  };
}

function standIn(
  name: string,
  target: BoundParts["target"],
  answer: FallbackFunction,
): Pick<BoundParts, "target" | "sources"> {
  if (!isClass(target) || declaresMember(target, "fetch")) return { target: answer as FetchFunction };
  if (!declaresMember(target, "predict")) {
    throw new InvalidSpecError(
      `deployment ${name} has neither fetch nor predict, which a function could stand in for: give it a bound deployment as its fallback`,
    );
  }
  const { input, output } = target as DeploymentClass & { readonly input?: unknown; readonly output?: unknown };
  const made = class {
    static readonly input = input;
    static readonly output = output;
    readonly predict = answer;
  };
  return { target: made, sources: [answer, target] };
}
