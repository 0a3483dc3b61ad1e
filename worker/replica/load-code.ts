import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ReplicaLaunch } from "../../core/assignment.ts";
import { findDeployment, type GraphDeployment } from "../../sdk/load-app.ts";
import { installResolveHook } from "../../sdk/resolve-hook.ts";

/** File of every bundle that exports the applications. */
export const BUNDLE_ENTRY = "app.mjs";

/**
 * Imports a bundle, with `thornback` mapped to this copy of the runtime, and finds the deployment in it.
 *
 * @throws whatever the user's module throws, and {InvalidSpecError} when it exports no such deployment.
 */
export async function loadDeployment(
  launch: ReplicaLaunch,
  bundleDir: string,
  projectDir: string,
): Promise<GraphDeployment> {
  installResolveHook({ bundleDir, projectDir });
  const namespace: unknown = await import(pathToFileURL(join(bundleDir, BUNDLE_ENTRY)).href);
  return findDeployment(namespace, launch.application, launch.deployment).deployment;
}
