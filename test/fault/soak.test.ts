/** Two minutes of the soak, with the front that is the default; SOAK_MINUTES=10 for the whole figure. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MINUTES = Number(process.env["SOAK_MINUTES"] ?? 2);
/** Its start and its end beside what it was asked for. */
const MOST_MS = MINUTES * 60_000 + 120_000;
const PROGRAM = fileURLToPath(new URL("../../bench/soak/soak.ts", import.meta.url));

test("every exchange ends once and as it may, counts agree, and nothing grows", { timeout: MOST_MS }, async () => {
  const program = ["--conditions=thornback-source", PROGRAM, "--minutes", String(MINUTES)];
  const { failure, out } = await promisify(execFile)(process.execPath, program, { timeout: MOST_MS }).then(
    ({ stdout }) => ({ failure: "", out: stdout }),
    (error: { stdout: string; stderr: string }) => ({ failure: error.stderr || "it did not end", out: error.stdout }),
  );
  console.log(out);
  assert.equal(failure, "");
});
