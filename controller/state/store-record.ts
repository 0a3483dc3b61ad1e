import { crc32 } from "node:zlib";
import type { StoreChange } from "./store.ts";

/**
 * One write as one line: checksum (CRC-32 of the rest, 8 hexadecimal characters), a space, JSON. JSON holds no line
 * break, so a line that was torn or overwritten never swallows the one after it.
 */
export function recordToLine({ key, value, revision }: StoreChange): string {
  const json = JSON.stringify(value === undefined ? { r: revision, k: key } : { r: revision, k: key, v: value });
  return `${checksum(json)} ${json}\n`;
}

/** The reverse of {@link recordToLine}, without the line break; undefined: the line is damaged. */
export function recordFromLine(line: string): StoreChange | undefined {
  const json = line.slice(9);
  if (line.charAt(8) !== " " || line.slice(0, 8) !== checksum(json)) return undefined;
  try {
    const { r, k, v } = JSON.parse(json) as { r?: unknown; k?: unknown; v?: unknown };
    if (typeof r !== "number" || typeof k !== "string") return undefined;
    if (v !== undefined && typeof v !== "string") return undefined;
    return { key: k, value: v, revision: r };
  } catch {
    return undefined;
  }
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, "0");
}
