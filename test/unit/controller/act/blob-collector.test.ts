import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlobCollector, UPLOAD_KEPT_MS } from "../../../../controller/act/blob-collector.ts";
import type { BlobStore } from "../../../../controller/state/blob-store.ts";
import type { Digest } from "../../../../core/ids.ts";
import { applicationRecord, applicationSpec } from "../../../fake/cluster-fixture.ts";
import { ManualClock } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const digest = (letter: string): Digest => letter.repeat(64) as Digest;
const file = { path: "app.mjs", digest: digest("b"), bytes: 1 };
const manifest = JSON.stringify({ schema: 1, entry: "app.mjs", projectDir: "/app", files: [file] });

function world() {
  const kept = new Map<Digest, string>([
    [digest("a"), manifest],
    [digest("b"), "code"],
    [digest("c"), "old"],
  ]);
  const blobs: BlobStore = {
    has: async (key) => kept.has(key),
    read: async (key) =>
      (async function* () {
        yield Buffer.from(kept.get(key) ?? "");
      })(),
    write: async () => undefined,
    list: async () => [...kept.keys()],
    delete: async (key) => void kept.delete(key),
  };
  const clock = new ManualClock();
  const log = new RecordingLog();
  return { kept, clock, log, collector: new BlobCollector({ clock, log, blobs }) };
}
const application = applicationRecord([applicationSpec("app", { D: {} }, { bundle: digest("a") })]);

describe("collecting files of old bundles", () => {
  it("deletes what no kept release needs, and nothing else", async () => {
    const { kept, collector } = world();
    await collector.collect([application]);
    assert.deepEqual([...kept.keys()], [digest("a"), digest("b")]);
  });

  it("leaves what somebody is about to deploy, for a while", async () => {
    const { kept, clock, collector } = world();
    collector.keepForNow(digest("c"));
    await collector.collect([application]);
    assert.ok(kept.has(digest("c")));
    clock.advance(UPLOAD_KEPT_MS);
    await collector.collect([application]);
    assert.ok(!kept.has(digest("c")));
  });

  it("deletes nothing when it cannot tell what is needed", async () => {
    const { kept, log, collector } = world();
    kept.set(digest("a"), "{");
    await collector.collect([application]);
    assert.equal(kept.size, 3);
    assert.equal(log.lines.at(-1)?.level, "warn");
  });
});
