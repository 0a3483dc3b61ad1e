import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { newKey } from "../../../../cli/command/keys.ts";
import type { CommandContext } from "../../../../cli/command/context.ts";

function printed(flags: { json?: boolean }, name = "alice"): string {
  let text = "";
  const print = { line: (line: string) => (text += `${line}\n`) };
  newKey({ print } as unknown as CommandContext, name, flags);
  return text;
}

test("a new key is printed with its digest, another one every time", () => {
  const made = JSON.parse(printed({ json: true })) as { name: string; key: string; sha256: string };
  assert.equal(made.name, "alice");
  assert.match(made.key, /^tb_[\w-]{43}$/);
  assert.equal(made.sha256, createHash("sha256").update(made.key).digest("hex"));
  assert.notEqual((JSON.parse(printed({ json: true })) as { key: string }).key, made.key);
});

test("for people it says what is whose", () => {
  assert.match(printed({}), /given to alice[\s\S]*tb_[\s\S]*access\.keys[\s\S]*"sha256":"[0-9a-f]{64}"/);
});

test("a name that a deploy would refuse is refused before there is a key", () => {
  assert.throws(() => printed({}, "alice smith"), /"alice smith" is no name of a key: it must be 1 to 63 letters/);
});
