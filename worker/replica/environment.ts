import type { ReplicaLaunch } from "../../core/assignment.ts";
import { InvalidSpecError } from "../../core/error.ts";

/**
 * The environment that a deployment's code runs in: its `env`, with secrets filled in, and the GPUs it may see. A
 * replica without GPUs sees none, also on a node that has some.
 *
 * @throws {InvalidSpecError} when a secret was not sent with the deploy.
 */
export function replicaEnvironment(launch: ReplicaLaunch): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(launch.options.env)) {
    if (typeof value === "string") {
      values[name] = value;
      continue;
    }
    const secret = Object.hasOwn(launch.secrets, value.secret) ? launch.secrets[value.secret] : undefined;
    if (secret === undefined) {
      throw new InvalidSpecError(
        `secret ${value.secret} for env ${name} of ${launch.deployment} is missing; deploy again with --env or --env-file`,
      );
    }
    values[name] = secret;
  }
  // By bus, the order nvidia-smi lists them in, so that an index means the same device to both.
  return { ...values, CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: launch.gpus.join(",") };
}
