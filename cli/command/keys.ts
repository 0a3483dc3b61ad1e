import { createHash, randomBytes } from "node:crypto";
import { readAccess } from "../../core/access.ts";
import { ProblemList } from "../../core/problem-list.ts";
import { CliError, EXIT } from "../exit-code.ts";
import type { CommandContext, JsonFlag } from "./context.ts";

/** More than anybody can try; a digest of it may be published. */
const KEY_BYTES = 32;

/**
 * `serve keys new NAME`: makes a key for `access`. It is printed once and kept nowhere; its digest is what is deployed.
 *
 * @throws {CliError} (64) for a name that a deploy would refuse.
 */
export function newKey({ print }: CommandContext, name: string, flags: JsonFlag): void {
  const key = `tb_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  const problems = new ProblemList();
  readAccess(problems, "", { keys: [{ name, sha256 }] });
  const [problem] = problems.all;
  if (problem !== undefined) throw new CliError(EXIT.usage, `"${name}" is no name of a key: it ${problem.message}`);
  if (flags.json === true) {
    print.line(JSON.stringify({ name, key, sha256 }));
    return;
  }
  print.line(`key, to be given to ${name} (it is not shown again):\n  ${key}`);
  print.line(`entry of access.keys, in application(…) or serve.yaml:\n  ${JSON.stringify({ name, sha256 })}`);
}
