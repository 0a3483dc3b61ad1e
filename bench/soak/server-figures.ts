import { seriesOf } from "../prometheus-text.ts";
import type { Kind, SoakOutcome } from "./ledger.ts";

/** Gauges that are 0 where nobody is served. */
const IDLE_GAUGES = [
  "thornback_replica_ongoing_requests",
  "thornback_router_queued_requests",
  "thornback_http_websockets",
] as const;

/** What the servers still think is going on, one line each; nothing when all is over. */
export function leftovers(text: string): readonly string[] {
  return IDLE_GAUGES.flatMap((name) =>
    seriesOf(text, name)
      .filter(({ value }) => value !== 0)
      .map(({ labels, value }) => `${name}${labels} is ${value}`),
  );
}

/**
 * Where the proxies' counts and the ledger disagree, one line each. Of each status an application has as many as clients
 * were told, and at most as many more as clients left without hearing; all together no more than were sent.
 */
export function disagreements(
  text: string,
  ledger: ReadonlyMap<Kind, ReadonlyMap<SoakOutcome, number>>,
): readonly string[] {
  const problems: string[] = [];
  const applications = new Set([...ledger.keys()].map(({ application }) => application));
  for (const application of applications) {
    const { told, leftCount } = toldOf(application, ledger);
    const counted = countsOf(text, application);
    let more = 0;
    for (const status of new Set([...told.keys(), ...counted.keys()])) {
      const [ours, theirs] = [told.get(status) ?? 0, counted.get(status) ?? 0];
      if (theirs < ours) problems.push(`${application}: ${theirs} × ${status} counted, ${ours} clients were told so`);
      more += Math.max(0, theirs - ours);
    }
    if (more > leftCount)
      problems.push(`${application}: ${more} more counted than told, and ${leftCount} clients left`);
  }
  return problems;
}

type Told = { readonly told: ReadonlyMap<string, number>; readonly leftCount: number };

/** What clients of an application were told, by the statuses that stand for it; and how many were told nothing. */
function toldOf(application: string, ledger: ReadonlyMap<Kind, ReadonlyMap<SoakOutcome, number>>): Told {
  const told = new Map<string, number>();
  let leftCount = 0;
  const kinds = [...ledger].filter(([kind]) => kind.application === application);
  for (const [{ allowed }, counts] of kinds) {
    for (const [outcome, count] of counts) {
      const status = allowed[outcome];
      if (status === undefined) leftCount += count;
      else told.set(status, (told.get(status) ?? 0) + count);
    }
  }
  return { told, leftCount };
}

function countsOf(text: string, application: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { labels, value } of seriesOf(text, "thornback_http_requests_total")) {
    if (!labels.includes(`application="${application}"`)) continue;
    const status = /status="(\d+)"/.exec(labels)?.[1] ?? "";
    counts.set(status, (counts.get(status) ?? 0) + value);
  }
  return counts;
}
