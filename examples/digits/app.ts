import { batch, deployment } from "thornback";
import { OnnxModel } from "thornback/onnx";
import * as z from "zod";

/** An 8 × 8 image, row by row, from 0 (paper) to 16 (ink). */
const Input = z.object({ pixels: z.array(z.number().min(0).max(16)).length(64) });

class Digits {
  static input = Input;

  readonly #model = new OnnxModel("./digits.onnx");

  // Callers that come while the model runs are answered together by its next run.
  readonly #classify = batch({ maxBatchSize: 64 }, async (images: number[][]) => {
    const scores = await this.#model.predict(images);
    return scores.map((row) => row.indexOf(Math.max(...row)));
  });

  async predict({ pixels }: z.infer<typeof Input>): Promise<{ label: number }> {
    return { label: await this.#classify(pixels) };
  }
}

export default deployment(Digits).bind();
