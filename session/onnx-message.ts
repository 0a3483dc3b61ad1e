import type { TensorInfo, TensorType } from "./session.ts";

/** What a session and its thread say to each other (`onnx-session.ts`, `onnx-thread.ts`). */

/** A tensor on its way between threads: its buffer changes hands without a copy. */
export type WireTensor = {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly content: ArrayBuffer | readonly string[];
};

/** Tensors by name. */
export type WireFeeds = Readonly<Record<string, WireTensor>>;

/** What to load, and on what. */
export type LoadRequest = {
  readonly kind: "load";
  readonly path: string;
  /** In order of preference. */
  readonly providers: readonly string[];
  /** The first provider must do. */
  readonly isStrict: boolean;
  readonly threads: number;
  /** Threads that wait for one another do so by spinning. */
  readonly isSpinning: boolean;
  /** Folders from which onnxruntime-node is looked for. */
  readonly resolveFrom: readonly string[];
};

/** Session → thread. `id` is repeated in the answer. */
export type ThreadRequest = { readonly id: number } & (
  | { readonly kind: "warm"; readonly resolveFrom: readonly string[] }
  | LoadRequest
  | { readonly kind: "run"; readonly feeds: WireFeeds }
  | { readonly kind: "close" }
);

/** A provider that was preferred and could not be used. */
export type SkippedProvider = { readonly provider: string; readonly cause: string };

/** Answer to `load`. */
export type LoadResult = {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly provider: string;
  readonly skipped: readonly SkippedProvider[];
};

/** Thread → session. */
export type ThreadReply = { readonly id: number } & (
  | { readonly kind: "done" }
  | { readonly kind: "loaded"; readonly result: LoadResult }
  | { readonly kind: "ran"; readonly outputs: WireFeeds }
  /** `missingRuntime`: onnxruntime-node itself cannot be loaded. */
  | { readonly kind: "failed"; readonly failure: "missingRuntime" | "model"; readonly cause: string }
);
