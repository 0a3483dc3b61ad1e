/** What user code may know of the request it works for. */
export type RequestContext = {
  /** The `x-request-id` of the request; the same in every log line and in nested calls. */
  readonly requestId: string;
  /** When the answer is of no more use, in milliseconds of `performance.now()`; Infinity outside a request. */
  readonly deadlineAt: number;
  /** Aborts when the client goes away or the deadline passes. */
  readonly signal: AbortSignal;
  /** Headers of the HTTP request; empty for a call through a handle. */
  readonly headers: Headers;
  /** Which of several models the caller asked for; empty without. */
  readonly modelId: string;
  readonly application: string;
  readonly deployment: string;
  readonly replica: string;
  readonly version: string;
};
