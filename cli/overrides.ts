import { createHash } from "node:crypto";
import { readDeploymentOptions } from "../core/deployment-options.ts";
import { checkFallbacks } from "../core/fallback.ts";
import type { Version } from "../core/ids.ts";
import { isRecord, joinPath, ProblemList, type UnknownRecord } from "../core/problem-list.ts";
import { refuseFlags } from "../core/question.ts";
import type { ApplicationSpec, DeploymentOptionsSpec, DeploymentSpec } from "../core/spec.ts";
import { stableJson, versionedOptions } from "../core/version.ts";
import { CliError, EXIT } from "./exit-code.ts";

/** What `serve.yaml` says about an application beside its code. */
export type Overrides = {
  /** For every deployment; a deployment's own goes before it. */
  readonly env: UnknownRecord;
  /** Options by deployment name, as they were written. */
  readonly deployments: Readonly<Record<string, UnknownRecord>>;
};

/** Options whose fields are set one by one; every other option is replaced whole. */
const MERGED = ["autoscaling", "rollout", "resources", "placement", "env"];

/**
 * The specification with the overrides over the code's own options. A deployment whose replicas would notice gets
 * another version; one that is overridden with what it has anyway keeps its own.
 *
 * @throws {CliError} (78) with every problem and its path.
 */
export function applyOverrides(spec: ApplicationSpec, overrides: Overrides, source: string): ApplicationSpec {
  const problems = new ProblemList();
  const names = spec.deployments.map((deployment) => deployment.name as string);
  problems.refuseUnknown("deployments", overrides.deployments, names);
  const deployments = spec.deployments.map((deployment) => {
    const own = overrides.deployments[deployment.name] ?? {};
    return overrideOne(problems, deployment, own, overrides.env);
  });
  checkFallbacks(problems, deployments);
  if (problems.all.length > 0) {
    const lines = problems.all.map(({ path, message }) => `${path} ${message}`.trim());
    throw new CliError(EXIT.refused, `${source} is refused for application ${spec.name}:\n  ${lines.join("\n  ")}`);
  }
  return { ...spec, deployments };
}

function overrideOne(
  problems: ProblemList,
  deployment: DeploymentSpec,
  own: UnknownRecord,
  env: UnknownRecord,
): DeploymentSpec {
  refuseFlags(problems, joinPath("deployments", deployment.name), own);
  const written: UnknownRecord = { ...own, env: { ...env, ...record(own["env"]) } };
  const merged: Record<string, unknown> = { ...deployment.options };
  for (const [name, value] of Object.entries(written)) {
    merged[name] = MERGED.includes(name) && isRecord(value) ? { ...record(merged[name]), ...value } : value;
  }
  // A fixed count says that it shall not scale, and autoscaling in the code would win over it.
  if (own["numReplicas"] !== undefined && own["autoscaling"] === undefined) merged["autoscaling"] = undefined;
  const options = readDeploymentOptions(problems, joinPath("deployments", deployment.name), merged);
  return { ...deployment, options, version: versionWith(deployment, options) };
}

function versionWith(deployment: DeploymentSpec, options: DeploymentOptionsSpec): Version {
  const after = stableJson(versionedOptions(options));
  if (stableJson(versionedOptions(deployment.options)) === after) return deployment.version;
  const digest = createHash("sha256").update(`${deployment.version} ${after}`).digest("hex");
  return digest.slice(0, deployment.version.length) as Version;
}

function record(value: unknown): UnknownRecord {
  return isRecord(value) ? value : {};
}
