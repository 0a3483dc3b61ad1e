import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { NodeId } from "../../../core/ids.ts";
import type { RunFile } from "../../../proto/control/message.ts";
import { createNodeFiles } from "../../../worker/node-files.ts";
import { assignedReplica } from "../../fake/assigned-replica.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

const dataDir = mkdtempSync(join(tmpdir(), "thornback-files-"));
after(() => rmSync(dataDir, { recursive: true }));
const log = new RecordingLog();
const files = createNodeFiles({ log, dataDir });

const RUN: RunFile = {
  id: "replica-a",
  role: "replica",
  pid: 1,
  startTicks: 2,
  controlSocket: "s",
  controlSecret: "secret",
  lifelineSocket: "",
  dataDir,
  logLevel: "info",
  listen: { host: "127.0.0.1", port: 0 },
  proxy: undefined,
  assigned: undefined,
};

test("what is written is read again, is the owner's alone, and can be forgotten", () => {
  assert.equal(files.readNode(), undefined);
  const assignment = { epoch: 1, generation: 2, replicas: [assignedReplica("r1")] };
  files.writeNode({ node: "node-1" as NodeId, incarnation: 1, epoch: 3 });
  files.writeAssignment(assignment);
  files.writeTable({ epoch: 1, version: 1, kind: "snapshot", baseVersion: 0, upserts: [], removals: [] });
  assert.equal(files.readNode()?.epoch, 3);
  assert.deepEqual(files.readAssignment(), JSON.parse(JSON.stringify(assignment)));
  for (const name of ["node.json", "assignment.json", "table.json"])
    assert.equal(statSync(join(dataDir, name)).mode & 0o777, 0o600);
  files.forget();
  assert.deepEqual([files.readAssignment(), files.readTable(), files.readNode()?.epoch], [undefined, undefined, 3]);
});

test("run files of children are found among the other files, and what is damaged is ignored with a warning", () => {
  files.writeRun(RUN);
  writeFileSync(join(dataDir, "run/supervisor.json"), '{"pid":1}');
  writeFileSync(join(dataDir, "run/torn.json"), '{"id":"replica-b","ro');
  assert.deepEqual(
    files.readRuns().map(({ id }) => id),
    ["replica-a"],
  );
  assert.equal(statSync(join(dataDir, "run/replica-a.json")).mode & 0o777, 0o600);
  assert.match(JSON.stringify(log.lines), /torn\.json/);
  files.removeRun("replica-a");
  assert.deepEqual(readdirSync(join(dataDir, "run")).toSorted(), ["supervisor.json", "torn.json"]);
});
