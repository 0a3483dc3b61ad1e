import { connect, type Socket } from "node:net";

/** A frame as a test writes or reads it. */
export type RawFrame = {
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  readonly isFinal?: boolean;
  readonly reservedBits?: number;
  readonly isMasked?: boolean;
  /** What the length field says, where that is not the truth; always as eight bytes. */
  readonly claimedLength?: bigint;
};

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK = Buffer.from([0x12, 0x34, 0x56, 0x78]);

/** A WebSocket client that sends whatever it is told to. */
export class RawSocket {
  readonly #socket: Socket;
  readonly #target: string;
  #received = Buffer.alloc(0);
  #isClosed = false;
  /** Somebody waits for more. */
  #wake = (): void => {};

  constructor(port: number, target = "/") {
    this.#target = target;
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
    // A reset is as good an end as a close.
    this.#socket.on("error", () => undefined);
  }

  /** Asks for a WebSocket; `rest` goes in the same write. Gives the head of the answer. */
  async upgrade(rest: Uint8Array = Buffer.alloc(0)): Promise<string> {
    const head = `GET ${this.#target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;
    this.#socket.write(Buffer.concat([Buffer.from(head), rest]));
    const end = await this.#until(() => {
      const at = this.#received.indexOf("\r\n\r\n");
      return at < 0 ? undefined : at + 4;
    });
    return this.#take(end ?? 0).toString("latin1");
  }

  /** Sends bytes; resolves when they are on their way. */
  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** The next frame of the server: `opcode:text`; a close is `close CODE REASON`, the end of the connection `gone`. */
  async read(): Promise<string> {
    const frame = await this.#until(() => readFrame(this.#received));
    if (frame === undefined) return "gone";
    this.#take(frame.bytes);
    const { opcode, payload } = frame;
    if (opcode !== 8) return `${opcode}:${payload.toString("latin1")}`;
    return payload.length === 0 ? "close" : `close ${payload.readUInt16BE()} ${payload.toString("utf8", 2)}`.trim();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: number): Buffer {
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  async #until<T>(read: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      const value = read();
      if (value !== undefined || this.#isClosed) return value;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** A client's frame. */
export function rawFrame(frame: RawFrame): Buffer {
  const { opcode, isFinal = true, reservedBits = 0, isMasked = true, claimedLength } = frame;
  const payload = Buffer.from((frame.payload ?? "") as Uint8Array);
  const first = (isFinal ? 0x80 : 0) | (reservedBits << 4) | opcode;
  const length = lengthField(payload.length, claimedLength);
  if (isMasked) length[0] = (length[0] ?? 0) | 0x80;
  const masked = isMasked ? payload.map((byte, at) => byte ^ (MASK[at % 4] ?? 0)) : payload;
  return Buffer.concat([Buffer.from([first]), length, ...(isMasked ? [MASK] : []), masked]);
}

function lengthField(length: number, claimed: bigint | undefined): Buffer {
  if (claimed === undefined && length < 126) return Buffer.from([length]);
  if (claimed === undefined && length < 65_536) return Buffer.from([126, length >> 8, length & 0xff]);
  const field = Buffer.alloc(9, 127);
  field.writeBigUInt64BE(claimed ?? BigInt(length), 1);
  return field;
}

function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; bytes: number } | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = (bytes[0] ?? 0) & 0x0f;
  let length = (bytes[1] ?? 0) & 0x7f;
  let start = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    start = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    start = 10;
  }
  if (bytes.length < start + length) return undefined;
  return { opcode, payload: Buffer.from(bytes.subarray(start, start + length)), bytes: start + length };
}
