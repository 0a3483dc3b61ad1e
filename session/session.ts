import type { Cancellation } from "../core/cancellation.ts";
import { ModelError, type ServeErrorOptions } from "../core/error.ts";

/** Element types of tensors, by ONNX's names. */
export type TensorType =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool"
  | "string";

/** A tensor's elements, row by row. `bool`: a Uint8Array of 0 and 1. `float16`: a Uint16Array of their bits. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[];

/** What goes into a model and comes out of it. */
export type Tensor = {
  readonly data: TensorData;
  /** Sizes, outermost first; their product is the length of `data`. */
  readonly dims: readonly number[];
  /** Default: what `data` is, by the model's input where one array type stands for two. */
  readonly type?: TensorType;
};

/** Tensors by the names of a model's inputs or outputs. */
export type Feeds = Readonly<Record<string, Tensor>>;

/** An input or output of a model as it declares it. */
export type TensorInfo = {
  readonly name: string;
  readonly type: TensorType;
  /** A number where the size is fixed, a name (which may be empty) where it is not. */
  readonly dims: readonly (number | string)[];
};

/** Whose run it is: one that nobody waits for any more is not begun. */
export type RunCaller = {
  readonly deadlineAt: number;
  readonly cancellation: Cancellation;
  /** Where runs wait to be stacked, a higher one goes first. Default 0. */
  readonly priority?: number | undefined;
};

/** A loaded model, able to run. */
export interface ModelSession {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Execution provider in use, for instance `cpu`. */
  readonly provider: string;
  /** False once it is closed or broken; a broken one has to be loaded again. */
  readonly isOpen: boolean;
  /** Runs are under way, or wait. */
  readonly isBusy: boolean;
  /**
   * Runs feeds that were checked (`tensor.ts`), in the order of the calls. Takes the buffers over: the caller must not
   * use them again. Rejects with a ModelError, or with what ended the caller's interest before it began.
   */
  run(feeds: Feeds, caller: RunCaller): Promise<Feeds>;
  /** Waits for runs that have begun, rejects those that have not. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** A model that could not be loaded. */
export class ModelLoadError extends ModelError {
  /** Trying again cannot help: the file is missing, is not a model, or uses what the runtime lacks. */
  readonly isPermanent: boolean;

  constructor(message: string, isPermanent: boolean, options?: ServeErrorOptions) {
    super(message, options);
    this.isPermanent = isPermanent;
  }
}
