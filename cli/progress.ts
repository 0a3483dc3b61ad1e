import type { Clock } from "../core/clock.ts";
import type { Printer } from "./print.ts";

/** What takes no longer needs no explanation. */
const SILENT_MS = 500;

/** Waits, and says for what once that takes longer than half a second. */
export async function whileWaiting<T>(
  { clock, print }: { readonly clock: Clock; readonly print: Pick<Printer, "progress"> },
  text: string,
  result: Promise<T>,
): Promise<T> {
  const timer = clock.after(SILENT_MS, () => print.progress(text));
  try {
    return await result;
  } finally {
    timer.cancel();
  }
}
