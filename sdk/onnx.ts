export { OnnxModel } from "../session/onnx-model.ts";
export type { OnnxBatchOptions, OnnxModelOptions } from "../session/onnx-options.ts";
export type { Feeds, Tensor, TensorData, TensorInfo, TensorType } from "../session/session.ts";
