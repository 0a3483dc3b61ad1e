import type { ApplicationStatus, DeploymentStatus } from "../../core/status.ts";
import type { ApplicationRecord } from "./cluster.ts";

/** An application's status, and why in words; empty when it runs. */
export type ApplicationStatusDecision = { readonly status: ApplicationStatus; readonly reason: string };

/** One of its deployments. */
export type DeploymentPart = { readonly name: string; readonly status: DeploymentStatus; readonly reason: string };

/**
 * The status of an application from its record and its deployments, in order of precedence: deleting, deploy_failed,
 * deploying, unhealthy, running. It is `deploying` until the release that was asked for serves fully, however well an
 * earlier one does meanwhile.
 */
export function applicationStatus(
  application: Pick<ApplicationRecord, "target" | "stable" | "failure" | "isDeleting">,
  deployments: readonly DeploymentPart[],
): ApplicationStatusDecision {
  if (application.isDeleting) return { status: "deleting", reason: first(deployments, () => true) };
  const { failure } = application;
  if (failure !== undefined) {
    const name = failure.deployment.slice(failure.deployment.indexOf("/") + 1);
    const served = application.stable === 0 ? "" : " (the version that served before still serves)";
    return { status: "deploy_failed", reason: `${name}: ${failure.reason}${served}` };
  }
  const bad = ({ status }: DeploymentPart): boolean => status === "unhealthy";
  if (application.stable !== application.target) {
    return { status: "deploying", reason: first(deployments, ({ reason }) => reason !== "") };
  }
  if (deployments.some(bad)) return { status: "unhealthy", reason: first(deployments, bad) };
  return { status: "running", reason: "" };
}

function first(deployments: readonly DeploymentPart[], is: (part: DeploymentPart) => boolean): string {
  const part = deployments.find(is);
  return part === undefined || part.reason === "" ? "" : `${part.name}: ${part.reason}`;
}
