import { createHash, randomBytes } from "node:crypto";
import type { CommandContext, JsonFlag } from "./context.ts";

/** More than anybody can try; a digest of it may be published. */
const KEY_BYTES = 32;

/** `serve keys new NAME`: makes a key for `access`. It is printed once and kept nowhere; its digest is what is deployed. */
export function newKey({ print }: CommandContext, name: string, flags: JsonFlag): void {
  const key = `tb_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const sha256 = createHash("sha256").update(key).digest("hex");
  if (flags.json === true) {
    print.line(JSON.stringify({ name, key, sha256 }));
    return;
  }
  print.line(`key, to be given to ${name} (it is not shown again):\n  ${key}`);
  print.line(`entry of access.keys, in application(…) or serve.yaml:\n  ${JSON.stringify({ name, sha256 })}`);
}
