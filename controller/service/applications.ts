import { InvalidSpecError, InvalidRequestError, NotFoundError } from "../../core/error.ts";
import type { ApplicationName, Digest } from "../../core/ids.ts";
import type { ApplicationSpec } from "../../core/spec.ts";
import { parseApplicationSpec, parseBundleManifest } from "../../core/spec-validate.ts";
import { applicationVersion } from "../../core/version.ts";
import type { Controller } from "../controller.ts";
import { type ApplicationRecord, replicasOf } from "../decide/cluster.ts";
import { keptVersions } from "../decide/rollback.ts";
import type { RolloutCommand } from "../decide/rollout-command.ts";
import type { BlobStore } from "../state/blob-store.ts";
import {
  type AdminRequest,
  type AdminResponse,
  emptyResponse,
  jsonResponse,
  readFields,
  readJson,
} from "./admin-request.ts";
import { applicationView, deploymentView, findDeployment } from "./status-view.ts";

/** A manifest of MOST_BUNDLE_FILES files is about 2 MB. */
const MOST_MANIFEST_BYTES = 16 * 1024 * 1024;

/** What the application family works with. */
export type ApplicationsDeps = { readonly controller: Controller; readonly blobs: BlobStore };

/** `GET applications/{name}` */
export function getApplication({ controller }: ApplicationsDeps, name: string): AdminResponse {
  const application = found(controller, name);
  return jsonResponse(200, {
    ...applicationView(controller.snapshot(), application),
    versions: keptVersions(application),
  });
}

/** `DELETE applications/{name}` */
export async function deleteApplication({ controller }: ApplicationsDeps, name: string): Promise<AdminResponse> {
  await controller.delete(name as ApplicationName);
  return emptyResponse(202);
}

/** `PUT applications/{name}`, with `?plan=true` only what it would change. */
export async function putApplication(
  deps: ApplicationsDeps,
  name: string,
  request: AdminRequest,
): Promise<AdminResponse> {
  const body = await readJson(request.body);
  if (typeof body !== "object" || body === null) throw new InvalidRequestError("the body must be {spec, secrets}");
  const { spec: unchecked, secrets: given = {} } = body as { spec?: unknown; secrets?: unknown };
  const spec = parseApplicationSpec(unchecked);
  if (spec.name !== name) {
    throw new InvalidSpecError(
      `the specification names application "${spec.name}", the URL "${name}"; they must be the same`,
    );
  }
  const secrets = checkedSecrets(spec, given);
  const isPlan = request.query.get("plan") === "true";
  if (!isPlan) await checkBundle(deps.blobs, spec.bundle);
  const plan = await deps.controller.deploy({ spec, secrets }, { isPlan });
  return jsonResponse(200, { application: spec.name, version: applicationVersion(spec.deployments), ...plan });
}

/** `POST applications/{name}/rollback` with `{version?}`: deploys a kept version again. */
export async function postRollback(
  { controller, blobs }: ApplicationsDeps,
  name: string,
  request: AdminRequest,
): Promise<AdminResponse> {
  const { version } = await readFields(request);
  if (version !== undefined && typeof version !== "string") throw new InvalidRequestError("version must be a string");
  const input = controller.operations.earlierRelease(name, version);
  await checkBundle(blobs, input.spec.bundle);
  const plan = await controller.deploy(input, { isPlan: false });
  return jsonResponse(200, { application: name, version: applicationVersion(input.spec.deployments), ...plan });
}

/** `POST applications/{name}/deployments/{deployment}/scale` with `{replicas}` */
export async function postScale(
  { controller }: ApplicationsDeps,
  parts: { readonly name: string; readonly deployment: string },
  request: AdminRequest,
): Promise<AdminResponse> {
  const { name, deployment } = parts;
  const { replicas } = await readFields(request);
  const { isAutoscaled } = await controller.operations.scale(name, deployment, replicas);
  return jsonResponse(200, { deployment: `${name}/${deployment}`, replicas, isAutoscaled });
}

/** `POST applications/{name}/rollout` with `{action}`: `pause`, `resume`, `promote` or `abort`. */
export async function postRollout(
  { controller }: ApplicationsDeps,
  name: string,
  request: AdminRequest,
): Promise<AdminResponse> {
  const { action } = await readFields(request);
  const command = ROLLOUT_COMMANDS.find((one) => one === action);
  if (command === undefined) throw new InvalidRequestError(`action must be one of ${ROLLOUT_COMMANDS.join(", ")}`);
  await controller.operations.rollout(name, command);
  return jsonResponse(200, { application: name, action: command });
}

const ROLLOUT_COMMANDS = ["pause", "resume", "promote", "abort"] as const satisfies readonly RolloutCommand[];

/** `POST applications/{name}/deployments/{deployment}/metric` with `{value}`: the figure that it scales by. */
export async function postMetric(
  { controller }: ApplicationsDeps,
  parts: { readonly name: string; readonly deployment: string },
  request: AdminRequest,
): Promise<AdminResponse> {
  const { value } = await readFields(request);
  controller.operations.tellMetric(parts.name, parts.deployment, value);
  return emptyResponse(202);
}

/** `GET applications/{name}/deployments/{deployment}/explain` */
export function explain({ controller }: ApplicationsDeps, name: string, deployment: string): AdminResponse {
  const state = controller.snapshot();
  const known = findDeployment(state, name, deployment);
  if (known === undefined) {
    throw new NotFoundError(
      "deployment_not_found",
      `there is no deployment "${name}/${deployment}"; see \`serve status\``,
    );
  }
  const view = deploymentView(state, known.application, known.id);
  const pending = replicasOf(state, known.id).filter((replica) => replica.pending !== undefined);
  return jsonResponse(200, {
    deployment: known.id,
    status: view.status,
    targetReplicas: view.targetReplicas,
    targetReason: state.targets.get(known.id)?.reason ?? "",
    reason: view.reason,
    policyProblem: state.policies.get(known.id)?.problem ?? "",
    pending: pending.map(({ id, pending: why }) => ({ replica: id, reason: why?.reason, nodes: why?.nodes })),
    decisions: controller.decisions.of(known.id),
  });
}

function found(controller: Controller, name: string): ApplicationRecord {
  const application = controller.snapshot().applications.get(name as ApplicationName);
  if (application !== undefined) return application;
  throw new NotFoundError("deployment_not_found", `there is no application "${name}"; see \`serve status\``);
}

/** Every secret that an `env` refers to, and no other: what nobody reads need not lie on a disk. */
function checkedSecrets(spec: ApplicationSpec, given: unknown): Readonly<Record<string, string>> {
  if (typeof given !== "object" || given === null)
    throw new InvalidRequestError("secrets must be an object of strings");
  const values = new Map<string, unknown>(Object.entries(given));
  const secrets: Record<string, string> = {};
  const missing: { path: string; message: string }[] = [];
  for (const { name, options } of spec.deployments) {
    for (const [variable, value] of Object.entries(options.env)) {
      if (typeof value === "string") continue;
      const secret = values.get(value.secret);
      if (typeof secret === "string") secrets[value.secret] = secret;
      else {
        const path = `deployments.${name}.env.${variable}`;
        missing.push({
          path,
          message: `secret ${value.secret} has no value; give it with --env ${value.secret}=… or --env-file`,
        });
      }
    }
  }
  const [first] = missing;
  if (first !== undefined) {
    throw new InvalidSpecError(`${first.path}: ${first.message}`, { details: { problems: missing } });
  }
  return secrets;
}

/** Every file of the bundle must be here before anything is told to run it. */
async function checkBundle(blobs: BlobStore, bundle: Digest): Promise<void> {
  const problem = (message: string): InvalidSpecError =>
    new InvalidSpecError(message, { details: { problems: [{ path: "bundle", message }] } });
  if (!(await blobs.has(bundle)))
    throw problem(`bundle ${bundle} is not uploaded; upload its manifest and files first`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of await blobs.read(bundle)) {
    length += chunk.length;
    if (length > MOST_MANIFEST_BYTES) throw problem(`bundle ${bundle} is no manifest: it is too long`);
    chunks.push(chunk);
  }
  const manifest = parseBundleManifest(parsed(Buffer.concat(chunks).toString("utf8"), bundle));
  for (const { digest, path } of manifest.files) {
    if (!(await blobs.has(digest))) throw problem(`file ${path} of bundle ${bundle} is not uploaded; deploy again`);
  }
}

function parsed(text: string, bundle: Digest): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new InvalidSpecError(`bundle ${bundle} is no manifest: it is not JSON`, { cause: thrown });
  }
}
