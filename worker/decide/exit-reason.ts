/** How a process ended, as far as its worker can tell. */
export type ProcessExit =
  | { readonly kind: "exited"; readonly code: number }
  /** `outOfMemoryKills`: how many processes of the machine the kernel ended for their memory since this one started. */
  | { readonly kind: "killed"; readonly signal: string; readonly outOfMemoryKills?: number }
  /** It could not be started, it never dialled, or it ended while no worker watched. */
  | { readonly kind: "lost"; readonly cause: string };

/** An exit in words for people, and as a label that metrics may carry. */
export type ExitReason = {
  readonly text: string;
  readonly label: "exited" | "killed" | "outOfMemory" | "lost";
};

/** 128 + SIGABRT: how Node ends when the JavaScript heap is full, as a shell or container runtime passes it on. */
const ABORTED = 134;
/** 128 + SIGKILL: what container runtimes give for a process that the kernel ended for its memory. */
const KILLED = 137;

/** Says why a process ended. Node aborts when its heap is full, so an abort is reported as that unless it says more. */
export function exitReason(exit: ProcessExit): ExitReason {
  switch (exit.kind) {
    case "exited":
      if (exit.code === KILLED) return { text: "out of memory (exit code 137)", label: "outOfMemory" };
      if (exit.code === ABORTED) return { text: "out of memory or aborted (exit code 134)", label: "outOfMemory" };
      return { text: `exited with code ${exit.code}`, label: "exited" };
    case "killed":
      if (exit.signal === "SIGABRT") return { text: "out of memory or aborted (SIGABRT)", label: "outOfMemory" };
      return { text: `killed by ${exit.signal}${perhaps(exit)}`, label: "killed" };
    case "lost":
      return { text: exit.cause, label: "lost" };
  }
}

/** The kernel does not say whom it ended, only how many: that a process was among them is likely, not known. */
function perhaps({ signal, outOfMemoryKills = 0 }: Extract<ProcessExit, { kind: "killed" }>): string {
  if (signal !== "SIGKILL" || outOfMemoryKills <= 0) return "";
  const processes = outOfMemoryKills === 1 ? "a process" : `${outOfMemoryKills} processes`;
  return `, perhaps for its memory: the kernel has ended ${processes} of this machine for want of memory since it started`;
}
