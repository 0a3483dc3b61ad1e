import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { parseBundleManifest } from "../../core/spec-validate.ts";
import type { ApplicationRecord } from "../decide/cluster.ts";
import type { BlobStore } from "../state/blob-store.ts";

/** A file that was uploaded or asked about stays this long without any release that needs it. */
export const UPLOAD_KEPT_MS = 60 * 60_000;

/** What a collector works with. */
export type BlobCollectorDeps = { readonly clock: Clock; readonly log: Logger; readonly blobs: BlobStore };

/** Deletes files that no kept release needs, but for those of a deploy that is under way. */
export class BlobCollector {
  readonly #deps: BlobCollectorDeps;
  readonly #neededUntil = new Map<Digest, number>();
  #isCollecting = false;

  constructor(deps: BlobCollectorDeps) {
    this.#deps = deps;
  }

  /** Somebody is about to deploy it. */
  keepForNow(digest: Digest): void {
    this.#neededUntil.set(digest, this.#deps.clock.now() + UPLOAD_KEPT_MS);
  }

  /** Deletes what none of these applications needs. Never rejects. */
  async collect(applications: Iterable<ApplicationRecord>): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    this.#forgetExpired();
    try {
      const needed = await this.#needed(applications);
      for (const digest of await this.#deps.blobs.list()) {
        // Asked again for each: an upload may have begun since.
        if (needed.has(digest) || this.#isNeededForNow(digest)) continue;
        await this.#deps.blobs.delete(digest);
        this.#deps.log.debug({ digest }, "deleted a bundle's file that no kept release needs");
      }
    } catch (thrown) {
      this.#deps.log.warn({ err: thrown }, "files of old bundles could not be deleted; the next look tries again");
    } finally {
      this.#isCollecting = false;
    }
  }

  #isNeededForNow(digest: Digest): boolean {
    const until = this.#neededUntil.get(digest);
    return until !== undefined && until > this.#deps.clock.now();
  }

  /** Those that never came too: whoever asks about files must not fill the memory. */
  #forgetExpired(): void {
    for (const digest of this.#neededUntil.keys()) {
      if (!this.#isNeededForNow(digest)) this.#neededUntil.delete(digest);
    }
  }

  async #needed(applications: Iterable<ApplicationRecord>): Promise<ReadonlySet<Digest>> {
    const bundles = new Set([...applications].flatMap(({ releases }) => releases.map(({ spec }) => spec.bundle)));
    const needed = new Set<Digest>(bundles);
    for (const bundle of bundles) {
      if (!(await this.#deps.blobs.has(bundle))) continue;
      const chunks: Uint8Array[] = [];
      for await (const chunk of await this.#deps.blobs.read(bundle)) chunks.push(chunk);
      const manifest = parseBundleManifest(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      for (const { digest } of manifest.files) needed.add(digest);
    }
    return needed;
  }
}
