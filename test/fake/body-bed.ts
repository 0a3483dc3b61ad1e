import type { ServeError } from "../../core/error.ts";
import { BodyStream, type Body, type BodyProducer, type BodyReceiver } from "../../proto/body.ts";

/** Takes a body, and uses nothing up before it is told to. */
export class BodyTaker implements BodyReceiver {
  readonly parts: Uint8Array[] = [];
  outcome: "open" | "ended" | ServeError = "open";
  readonly #body: BodyStream;
  #unconsumedBytes = 0;
  #onChange: (() => void)[] = [];

  constructor(body: Body) {
    if (!(body instanceof BodyStream)) throw new TypeError("the body came whole");
    this.#body = body;
    body.receive(this);
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }

  get byteCount(): number {
    return Buffer.concat(this.parts).byteLength;
  }

  onData(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.#unconsumedBytes += bytes.byteLength;
    this.#changed();
  }

  onEnd(): void {
    this.outcome = "ended";
    this.#changed();
  }

  onError(error: ServeError): void {
    this.outcome = error;
    this.#changed();
  }

  /** Everything that has come is used up. */
  consume(): void {
    const bytes = this.#unconsumedBytes;
    this.#unconsumedBytes = 0;
    this.#body.consumed(bytes);
  }

  cancel(error: ServeError): void {
    this.#body.cancel(error);
  }

  /** All of it, used up as it comes. Rejects with the error it breaks off with. */
  async all(): Promise<string> {
    await this.until(() => {
      this.consume();
      return this.outcome !== "open";
    });
    if (this.outcome !== "ended") throw this.outcome as ServeError;
    return this.text;
  }

  /** Resolves when the condition holds, looked at whenever something comes. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#onChange.push(resolve));
  }

  #changed(): void {
    for (const notify of this.#onChange.splice(0)) notify();
  }
}

/** A body that a test writes, and what its producer hears. */
export class BodyGiver implements BodyProducer {
  readonly body: BodyStream;
  consumedBytes = 0;
  isReceived = false;
  cancelled: ServeError | undefined;

  constructor(length?: number) {
    this.body = new BodyStream(this, length);
  }

  onReceive(): void {
    this.isReceived = true;
  }

  onConsumed(bytes: number): void {
    this.consumedBytes += bytes;
  }

  onCancel(error: ServeError): void {
    this.cancelled = error;
  }
}
