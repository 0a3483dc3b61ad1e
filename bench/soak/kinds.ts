import type { Kind } from "./ledger.ts";

/** As many tokens as make a stream last a second. */
export const EVENT_COUNT = 50;

const OK = { "200": "200" };
/** A replica was killed with it, and it may not be sent again. */
const LOST = { "502": "502" };

/** What the soak sends, each with its rate a second at `--rate 1`, and its body's bytes where that is not JSON. */
export const KINDS = {
  safe: { name: "safe", application: "safe", allowed: OK, perSecond: 40 },
  once: { name: "once", application: "once", allowed: { ...OK, ...LOST }, perSecond: 20 },
  bytes: { name: "64 KB", application: "once", allowed: { ...OK, ...LOST }, perSecond: 10, bytes: 64 * 1024 },
  megabyte: { name: "1 MB", application: "once", allowed: { ...OK, ...LOST }, perSecond: 3, bytes: 1024 * 1024 },
  hops: { name: "two hops", application: "hops", allowed: { ...OK, ...LOST }, perSecond: 20 },
  events: {
    name: "events",
    application: "streams",
    allowed: { ...OK, ...LOST, failed_stream: "502" },
    perSecond: 4,
  },
  /** 1011: its replica was killed; 1001: it drained for the rollout; 502: killed before the WebSocket was open. */
  sockets: {
    name: "WebSocket",
    application: "streams",
    allowed: { "1000": "101", "1001": "101", "1011": "101", ...LOST },
    perSecond: 2,
  },
} as const satisfies Readonly<Record<string, SoakKind>>;

/** A kind, and how much of it there is. */
export type SoakKind = Kind & { readonly perSecond: number; readonly bytes?: number };
