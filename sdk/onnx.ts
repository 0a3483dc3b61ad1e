export { OnnxModel } from "../session/onnx-model.ts";
export type { OnnxModelOptions } from "../session/onnx-model.ts";
export type { Feeds, Tensor, TensorData, TensorInfo, TensorType } from "../session/session.ts";
