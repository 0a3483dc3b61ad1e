import type { LogFields, Logger } from "../core/log.ts";
import type { EventSink } from "./event.ts";

/** The controller tells what it decided in one line of this form. */
const DECIDED = /^decided: (\S+) (.+) \((.*)\)$/;

function textOf(value: unknown): string {
  if (value instanceof Error) return value.message;
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * The logger of a simulated process. Decisions, warnings and errors become events; `onLine` gets everything, for whoever
 * reads a run.
 */
export function createSimLog(process: string, sink: EventSink, onLine?: (line: string) => void): Logger {
  const write = (level: "debug" | "info" | "warn" | "error", fields: LogFields, message: string): void => {
    onLine?.(`             ${level.padEnd(5)} ${process}: ${message} ${JSON.stringify(fields)}`);
    const decided = DECIDED.exec(message);
    if (decided !== null) {
      const [, action = "", about = "", reason = ""] = decided;
      const { target } = fields;
      const decision = { kind: "decision", by: process, action, about, reason } as const;
      sink(typeof target === "number" ? { ...decision, target } : decision);
    } else if (typeof fields["action"] === "string" && fields.replica !== undefined) {
      sink({
        kind: "decision",
        by: process,
        action: fields["action"],
        about: fields.replica,
        reason: fields.reason ?? "",
      });
    } else if (level === "warn" || level === "error") {
      const why = [fields.err, fields.reason, fields["violations"]].map(textOf).filter((text) => text !== "");
      sink({ kind: "logged", process, level, message: [message, ...why].join(": ") });
    }
  };
  return {
    debug: (fields, message) => write("debug", fields, message),
    info: (fields, message) => write("info", fields, message),
    warn: (fields, message) => write("warn", fields, message),
    error: (fields, message) => write("error", fields, message),
  };
}
