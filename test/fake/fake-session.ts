import type { Feeds, ModelSession, RunCaller, TensorInfo } from "../../session/session.ts";

/** One run that a {@link FakeSession} was asked for and has not answered. */
export type FakeRun = {
  readonly feeds: Feeds;
  readonly caller: RunCaller;
  readonly resolve: (outputs: Feeds) => void;
  readonly reject: (error: Error) => void;
};

/** A session whose runs are answered by the test, or by `answer` at once. */
export class FakeSession implements ModelSession {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly provider = "fake";
  readonly runs: FakeRun[] = [];
  readonly #answer: ((feeds: Feeds) => Feeds) | undefined;
  isOpen = true;
  isBusy = false;

  constructor(
    shape: { readonly inputs: readonly TensorInfo[]; readonly outputs: readonly TensorInfo[] },
    answer?: (feeds: Feeds) => Feeds,
  ) {
    this.inputs = shape.inputs;
    this.outputs = shape.outputs;
    this.#answer = answer;
  }

  run(feeds: Feeds, caller: RunCaller): Promise<Feeds> {
    return new Promise((resolve, reject) => {
      this.runs.push({ feeds, caller, resolve, reject });
      if (this.#answer === undefined) return;
      try {
        resolve(this.#answer(feeds));
      } catch (error) {
        reject(error as Error);
      }
    });
  }

  close(): Promise<void> {
    this.isOpen = false;
    return Promise.resolve();
  }
}
