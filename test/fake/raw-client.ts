import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A TCP client that sends and gets bytes as they are. */
export class RawClient {
  readonly socket: Socket;
  /** All that came, as latin-1. */
  text = "";
  /** Why the socket broke; undefined: it did not, or not yet. */
  error: NodeJS.ErrnoException | undefined;
  #waiting: { readonly pattern: RegExp; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      this.#look();
    });
    socket.on("error", (error) => (this.error = error));
    socket.on("close", () => {
      for (const { pattern, reject } of this.#waiting)
        reject(new Error(`closed before ${String(pattern)} came: ${JSON.stringify(this.text)}`));
      this.#waiting = [];
    });
  }

  /** Connects to a port of this machine. */
  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  write(bytes: string | Uint8Array): this {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Resolves when what came matches; rejects when the server closes before. */
  async until(pattern: RegExp): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ pattern, resolve, reject });
    this.#look();
    if (this.socket.closed) reject(new Error(`closed before ${String(pattern)} came: ${JSON.stringify(this.text)}`));
    await promise;
    return this.text;
  }

  /** Resolves with all that came when the server has closed. */
  async closed(): Promise<string> {
    // A reset after the answer is as good an end as a close.
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once("close", resolve));
    return this.text;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #look(): void {
    this.#waiting = this.#waiting.filter(({ pattern, resolve }) => {
      if (!pattern.test(this.text)) return true;
      resolve();
      return false;
    });
  }
}
