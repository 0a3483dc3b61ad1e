import { InvalidRequestError } from "../../core/error.ts";
import type { Digest } from "../../core/ids.ts";
import type { BlobCollector } from "../act/blob-collector.ts";
import type { BlobStore } from "../state/blob-store.ts";
import { type AdminRequest, type AdminResponse, emptyResponse } from "./admin-request.ts";

/** What the bundle family works with. */
export type BundlesDeps = { readonly blobs: BlobStore; readonly collector: BlobCollector };

/** `HEAD bundles/{sha256}`: 200 when the file is here, which it then stays for long enough to deploy it. */
export async function headBlob({ blobs, collector }: BundlesDeps, digest: string): Promise<AdminResponse> {
  const checked = checkedDigest(digest);
  collector.keepForNow(checked);
  return emptyResponse((await blobs.has(checked)) ? 200 : 404);
}

/** `PUT bundles/{sha256}`: keeps the body. 204, also when it was here already. */
export async function putBlob(
  { blobs, collector }: BundlesDeps,
  digest: string,
  request: AdminRequest,
): Promise<AdminResponse> {
  const checked = checkedDigest(digest);
  collector.keepForNow(checked);
  await blobs.write(checked, request.body);
  return emptyResponse(204);
}

function checkedDigest(digest: string): Digest {
  if (/^[0-9a-f]{64}$/.test(digest)) return digest as Digest;
  throw new InvalidRequestError(
    "a bundle's file is named by the SHA-256 of its bytes, 64 lower-case hexadecimal characters",
  );
}
