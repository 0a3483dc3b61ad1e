import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import type { ApplicationSpec } from "../core/spec.ts";
import { CliError, EXIT } from "./exit-code.ts";

type Values = Readonly<Record<string, string | undefined>>;

/**
 * Values for names, the nearest first: `--env`, then `--env-file`, then this process's environment.
 *
 * @throws {CliError} when the file cannot be read.
 */
export function valueSources(flags: Values, envFile: string | undefined, env: Values): Values {
  return { ...env, ...readEnvFile(envFile), ...flags };
}

function readEnvFile(file: string | undefined): Values {
  if (file === undefined) return {};
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.failed, `the file ${file} of --env-file cannot be read: ${cause}`, "", { cause: error });
  }
}

/**
 * Values of the secrets that an application's deployments name. They travel beside the specification, never in it.
 *
 * @throws {CliError} naming every secret that has no value, and the deployment that needs it.
 */
export function resolveSecrets(spec: ApplicationSpec, values: Values): Readonly<Record<string, string>> {
  const secrets: Record<string, string> = {};
  const missing: string[] = [];
  for (const deployment of spec.deployments) {
    for (const value of Object.values(deployment.options.env)) {
      if (typeof value === "string") continue;
      const found = values[value.secret];
      if (found === undefined) missing.push(`${value.secret}, which deployment ${deployment.name} needs`);
      else secrets[value.secret] = found;
    }
  }
  const first = missing[0];
  if (first === undefined) return secrets;
  const message =
    missing.length === 1
      ? `application ${spec.name}: no value for the secret ${first}`
      : `application ${spec.name}: no value for the secrets\n  ${missing.join("\n  ")}`;
  const name = first.slice(0, first.indexOf(","));
  throw new CliError(
    EXIT.failed,
    message,
    `pass --env ${name}=…, put it into a file for --env-file, or export ${name}`,
  );
}
