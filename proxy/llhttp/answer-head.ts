import { STATUS_CODES } from "node:http";

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
/** Everything else would end the header, or could not be sent as one byte. */
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

const STATUS_LINES: string[] = [];

/** What frames an answer is the front's business; of these only the length may come with it, and only for HEAD. */
const OURS: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "connection", "keep-alive"]);

/**
 * Status line and headers, without the empty line. undefined: they cannot be sent; they come from replicas, and a line
 * break in one would be a header, or an answer, that nobody gave.
 */
export function answerHead(status: number, headers: readonly string[], isLengthKept: boolean): string | undefined {
  if (!(Number.isInteger(status) && status >= 200 && status <= 999)) return undefined;
  let head = (STATUS_LINES[status] ??= `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`);
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (!TOKEN.test(name) || FORBIDDEN_IN_VALUE.test(value)) return undefined;
    if (mayBeOurs(name.length)) {
      const lower = name.toLowerCase();
      if (OURS.has(lower) && !(isLengthKept && lower === "content-length")) continue;
    }
    head += `${name}: ${value}\r\n`;
  }
  return head;
}

function mayBeOurs(nameLength: number): boolean {
  return nameLength === 14 || nameLength === 17 || nameLength === 10;
}
