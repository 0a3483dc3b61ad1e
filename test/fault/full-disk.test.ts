/**
 * Fills the disk that the data directory is on. Requests go on, also those whose code prints; what is lost meanwhile
 * comes back once there is space. Needs the right to mount a small file system, and is skipped without it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { eventually, post, startCluster, type TestCluster } from "../integration/cluster.ts";

const APP = `
import { deployment } from "thornback";

class Printing {
  async predict(input) {
    console.log("asked", input);
    return input;
  }
}
export default deployment(Printing).bind();
`;

const disk = mkdtempSync(path.join(tmpdir(), "thornback-disk-"));
const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]).status === 0;
const options = isMounted ? {} : { skip: "mounting needs root" };
let cluster: TestCluster;

before(async () => {
  if (isMounted) cluster = await startCluster(["--data-dir", path.join(disk, "data")]);
});

after(async () => {
  if (isMounted) {
    rmSync(path.join(disk, "fill"), { force: true });
    await cluster.close();
    spawnSync("umount", [disk]);
  }
  rmSync(disk, { recursive: true, force: true });
});

/** Writes until there is no space for another byte. */
function fill(): void {
  const file = openSync(path.join(disk, "fill"), "w");
  for (const bytes of [65_536, 4_096, 1]) {
    try {
      while (writeSync(file, Buffer.alloc(bytes)) > 0);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
  closeSync(file);
}

/** The worker may have ended by itself already, because it could not write down a process it was about to start. */
function killWorker(): void {
  const file = path.join(cluster.dataDir, "run/supervisor.json");
  const { workerPid } = JSON.parse(readFileSync(file, "utf8")) as { workerPid: number };
  try {
    process.kill(workerPid, "SIGKILL");
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
  }
}

test(
  "a full disk stops no traffic, outlives a killed worker, and deploys again once there is space",
  options,
  async () => {
    const deployed = await cluster.serve(["deploy", cluster.project.write("full/app.ts", APP)]);
    assert.equal(deployed.code, 0, deployed.err);
    fill();
    for (let n = 0; n < 200; n++) assert.deepEqual((await post(cluster.http, { n })).body, { n });
    const refused = await cluster.serve(["deploy", cluster.project.write("full/app.ts", `${APP}// changed`)]);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /ENOSPC/);
    killWorker();
    for (let n = 0; n < 200; n++) assert.deepEqual((await post(cluster.http, { n })).body, { n });
    rmSync(path.join(disk, "fill"));
    await eventually(async () => {
      const { nodes } = await cluster.status();
      return nodes.every(({ state }) => state === "live") ? true : undefined;
    }, 20_000);
    const again = await cluster.serve(["deploy", cluster.project.write("full/app.ts", `${APP}// changed`)]);
    assert.equal(again.code, 0, again.err);
    assert.deepEqual((await post(cluster.http, { n: 1 })).body, { n: 1 });
  },
);
