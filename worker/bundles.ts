import type { ReplicaLaunch } from "../core/assignment.ts";
import type { Digest } from "../core/ids.ts";

/** Code that is ready to be imported. */
export type PreparedBundle = {
  /** Folder that holds the bundle, whole. */
  readonly bundleDir: string;
  /** Folder from which native packages resolve. */
  readonly projectDir: string;
};

/** Where a worker gets the code of its replicas; the simulation has none to get. */
export interface Bundles {
  /**
   * Fetches and checks the launch's bundle, and that the node has the native packages it needs.
   * @throws {InvalidSpecError} when trying again cannot help: a bundle that is not one, a package missing on this node.
   */
  prepare(launch: ReplicaLaunch, signal: AbortSignal): Promise<PreparedBundle>;
  /** Lets old bundles go, but none of these. */
  keep(inUse: ReadonlySet<Digest>): void;
}
