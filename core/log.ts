/** Fields that identify what a log line is about; the same names everywhere so that a search finds all of them. */
export type LogFields = {
  readonly application?: string;
  readonly deployment?: string;
  readonly replica?: string;
  readonly node?: string;
  readonly version?: string;
  readonly requestId?: string;
  readonly reason?: string;
  readonly err?: unknown;
  readonly [field: string]: unknown;
};

/** What code logs through. pino fits it as it is and is bound in main files only. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}
