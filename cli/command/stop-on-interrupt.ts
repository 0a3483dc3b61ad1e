import { CliError, EXIT } from "../exit-code.ts";
import type { LocalCluster } from "../local-cluster.ts";
import type { CommandContext } from "./context.ts";

/** How a foreground cluster ends. */
export type InterruptibleCluster = {
  /** From now on an interrupt is the normal end. */
  markReady(): void;
  /** Whether somebody has asked it to end. */
  isInterrupted(): boolean;
  /** Resolves when everything is gone. @throws {CliError} when it failed (its cause), or was interrupted before it was ready (130). */
  untilEnded(): Promise<void>;
};

/** The first Ctrl-C (or SIGTERM) drains the cluster, the second ends it at once. */
export function stopOnInterrupt(context: CommandContext, cluster: LocalCluster): InterruptibleCluster {
  const { print, onInterrupt } = context;
  let isReady = false;
  let interrupts = 0;
  const unsubscribe = onInterrupt(() => {
    interrupts += 1;
    if (interrupts === 1) {
      print.note("stopping: ongoing requests may finish; interrupt again to end at once");
      void cluster.stop();
    } else {
      void cluster.kill();
    }
  });
  return {
    markReady: () => (isReady = true),
    isInterrupted: () => interrupts > 0,
    async untilEnded() {
      const end = await cluster.ended;
      unsubscribe();
      if (end.kind === "failed") throw end.error;
      if (interrupts > 0 && !isReady) throw new CliError(EXIT.interrupted, "interrupted before it was ready");
      // Of one that never was ready its error is told: what runs may be another that was there before.
      if (isReady) print.note("stopped; nothing is left running");
    },
  };
}
