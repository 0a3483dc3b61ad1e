import { InvalidSpecError } from "../../core/error.ts";
import type { ApplicationGraph } from "../load-app.ts";

/**
 * Sets the environment that an application's deployments ask for, in this one process. Returns how to restore it.
 *
 * @throws {InvalidSpecError} when a secret has no value, or two deployments want different values of one variable: in a
 *   cluster each has a process of its own, here they share one
 */
export function setEnvironment(graph: ApplicationGraph, secrets: Readonly<Record<string, string>>): () => void {
  const wanted = new Map<string, string>();
  for (const { name: deployment, options } of graph.deployments) {
    for (const [name, value] of Object.entries(options.env)) {
      const text = typeof value === "string" ? value : secrets[value.secret];
      if (text === undefined) {
        throw new InvalidSpecError(`env.${name} of ${deployment} needs a secret: pass it in the option secrets`);
      }
      if (wanted.has(name) && wanted.get(name) !== text) {
        throw new InvalidSpecError(`two deployments want different values of env.${name}; test them one at a time`);
      }
      wanted.set(name, text);
    }
  }
  const before = [...wanted.keys()].map((name) => [name, process.env[name]] as const);
  for (const [name, text] of wanted) process.env[name] = text;
  return () => {
    for (const [name, text] of before) {
      if (text === undefined) delete process.env[name];
      else process.env[name] = text;
    }
  };
}
