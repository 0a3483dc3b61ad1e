import { InvalidSpecError } from "../core/error.ts";

/** A value of `env` that travels apart from the specification and is never shown. */
export type Secret = { readonly secret: string };

/**
 * Names a secret as the value of an environment variable. Its value is taken at deploy from `--env`, `--env-file` or the
 * environment of `serve deploy`, kept out of the specification, its version and every log, and handed to replicas only.
 *
 * @param name - letters, digits and underscores, not beginning with a digit
 * @throws {InvalidSpecError} when `name` is not such a name
 *
 * @example
 * ```ts
 * import { deployment, secret } from "thornback";
 *
 * class Assistant {
 *   async predict(input: { question: string }): Promise<string> {
 *     return `${input.question} — asked with a key of ${process.env["OPENAI_API_KEY"]?.length ?? 0} characters`;
 *   }
 * }
 *
 * export default deployment(Assistant, { env: { OPENAI_API_KEY: secret("OPENAI_API_KEY") } }).bind();
 * ```
 */
export function secret(name: string): Secret {
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    throw new InvalidSpecError("secret(name): a name is letters, digits and underscores, not beginning with a digit");
  }
  return { secret: name };
}
