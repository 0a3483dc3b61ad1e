/** A log line of a replica, as `serve logs` gets it and as it stands in a log file. */
export type LogLine = Readonly<Record<string, unknown>>;

const LEVELS: Readonly<Record<string, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

const WARNING = 40;

/** A line for people: which replica, its request when there is one, and what was printed. */
export function formatLogLine(line: LogLine): string {
  const replica = text(line["replica"]) || text(line["process"]) || "-";
  const level = LEVELS[text(line["level"])] ?? text(line["level"]);
  const request = text(line["requestId"]);
  const error = text(record(line["err"])["stack"]) || text(record(line["err"])["message"]);
  const words = [`[${replica}]`, level === "info" || level === "" ? "" : `${level}:`, text(line["msg"]), error];
  const sentence = words.filter((word) => word !== "").join(" ");
  // Beside the message, not at the end of a stack: lines are looked for by request.
  const [first = "", ...others] = sentence.split("\n");
  return request === "" ? sentence : [`${first} (request ${request})`, ...others].join("\n");
}

/** Whether a line belongs on the terminal of who serves in the foreground: what user code printed, and warnings. */
export function isForTerminal(line: LogLine): boolean {
  const level = line["level"];
  return line["source"] === "console" || typeof level !== "number" || level >= WARNING;
}

/** Parses a line of a log file; what is no JSON object is a line that something printed past the logger. */
export function parseLogLine(source: string, line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as LogLine;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { replica: source, msg: line };
}

/**
 * The lines of `current` that were not in `previous`, when both are the newest lines of one growing log: whatever
 * follows the longest end of `previous` that `current` begins with.
 */
export function newLines(previous: readonly string[], current: readonly string[]): readonly string[] {
  for (let skip = 0; skip < previous.length; skip++) {
    const overlap = previous.length - skip;
    if (overlap <= current.length && previous.slice(skip).every((line, i) => line === current[i])) {
      return current.slice(overlap);
    }
  }
  return current;
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function record(value: unknown): LogLine {
  return typeof value === "object" && value !== null ? (value as LogLine) : {};
}
