/**
 * The Autobahn test suite against both fronts, where it is installed. It needs Python 2.7:
 *
 *     pip install autobahntestsuite && THORNBACK_WSTEST=wstest node … test/integration/websocket-autobahn.test.ts
 *
 * Left out are compression (12, 13), which is not offered, and throughput (9), whose messages are longer than is taken.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { echoSocket, FRONTS, socketBed } from "../fake/socket-bed.ts";

const COMMAND = process.env["THORNBACK_WSTEST"];
const CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
/** UTF-8 is judged when a message is whole, not at the first wrong byte; the code is the same. */
const NOT_STRICT = ["6.4.1", "6.4.2", "6.4.3", "6.4.4"];

type Report = Record<string, Record<string, { readonly behavior: string; readonly behaviorClose: string }>>;

for (const [front, createFront] of FRONTS) {
  const skip = COMMAND === undefined && "THORNBACK_WSTEST is not set";
  test(`${front}: Autobahn's cases pass`, { skip, timeout: 240_000 }, async () => {
    const bed = await socketBed(createFront, echoSocket);
    after(() => bed.close());
    const folder = mkdtempSync(join(tmpdir(), "autobahn-"));
    after(() => rmSync(folder, { recursive: true }));
    const servers = [{ agent: front, url: `ws://127.0.0.1:${bed.port}` }];
    const spec = join(folder, "spec.json");
    writeFileSync(
      spec,
      JSON.stringify({ outdir: folder, servers, cases: CASES, "exclude-cases": [], "exclude-agent-cases": {} }),
    );
    await promisify(execFile)(COMMAND ?? "", ["-m", "fuzzingclient", "-s", spec]);
    const report = (JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as Report)[front] ?? {};
    assert.ok(Object.keys(report).length > 200, "few cases were run");
    for (const [name, { behavior, behaviorClose }] of Object.entries(report)) {
      const isFine = ["OK", "INFORMATIONAL", ...(NOT_STRICT.includes(name) ? ["NON-STRICT"] : [])];
      assert.ok(
        isFine.includes(behavior) && ["OK", "INFORMATIONAL"].includes(behaviorClose),
        `${name}: ${behavior}, ${behaviorClose}`,
      );
    }
  });
}
