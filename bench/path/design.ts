import type { CorePlan } from "./cores.ts";

/** A way of serving that is measured. */
export type Design = {
  readonly name: DesignName;
  start(cores: CorePlan): Promise<RunningDesign>;
};

/** Every design there is. */
export const DESIGN_NAMES = ["bare", "fastify", "llhttp", "node", "two proxies"] as const;

/** One of {@link DESIGN_NAMES}. */
export type DesignName = (typeof DESIGN_NAMES)[number];

/** What a load asks for. */
export type Route = "work" | "hops" | "stream" | "slow";

/** A design that answers. */
export type RunningDesign = {
  readonly name: DesignName;
  /** `http://HOST:PORT`. */
  readonly url: string;
  /** A bare server is its own proxy. */
  readonly proxyPids: readonly number[];
  /** Of the replicas that answer a route; none where the proxy does. */
  replicaPids(route: Route): readonly number[];
  /** Moves its processes to their cores. */
  place(cores: CorePlan): void;
  close(): Promise<void>;
};
