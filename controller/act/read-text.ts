import { METRIC_TIMEOUT_MS, MOST_METRIC_BYTES } from "../../core/limits.ts";

/** How a request leaves: the engine's own `fetch`, taken where processes are put together. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The text that a URL answers with, within METRIC_TIMEOUT_MS and of at most MOST_METRIC_BYTES. Rejects otherwise. */
export async function readText(get: Fetch, url: string): Promise<string> {
  const response = await get(url, {
    signal: AbortSignal.timeout(METRIC_TIMEOUT_MS),
    headers: { accept: "text/plain" },
    // Whoever answers there must not choose what this process asks next: it stands inside the cluster's network.
    redirect: "error",
  });
  if (!response.ok) throw new Error(`${withoutQuery(url)} answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MOST_METRIC_BYTES) {
      throw new Error(`${withoutQuery(url)} answered with more than ${MOST_METRIC_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** A URL as it may be logged: tokens are in what is left out. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//");
}
