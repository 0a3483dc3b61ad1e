/** Takes the chunks of a byte stream apart into lines of UTF-8 text. */
export interface LineReader {
  /** False: a line is over the limit; nothing more is read and the stream should be closed. */
  push(chunk: Uint8Array): boolean;
}

const NEWLINE = 0x0a;

/** Reads lines of at most `mostBytes`; empty ones are skipped. The chunks of a long line are joined only once. */
export function createLineReader(mostBytes: number, onLine: (line: string) => void): LineReader {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  return {
    push(chunk) {
      let from = 0;
      for (;;) {
        const end = chunk.indexOf(NEWLINE, from);
        const part = chunk.subarray(from, end < 0 ? chunk.length : end);
        if (pendingBytes + part.length > mostBytes) return false;
        if (part.length > 0) {
          pending.push(part);
          pendingBytes += part.length;
        }
        if (end < 0) return true;
        if (pendingBytes > 0) {
          const line = Buffer.concat(pending, pendingBytes).toString("utf8");
          pending = [];
          pendingBytes = 0;
          onLine(line);
        }
        from = end + 1;
      }
    },
  };
}

/** A line's JSON value, or undefined for anything that is not JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object with a `kind`, as every message on a control or lifeline socket is. */
export function isMessage(value: unknown): value is { readonly kind: string; readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string";
}
