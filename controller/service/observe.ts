import { InvalidRequestError } from "../../core/error.ts";
import type { Controller } from "../controller.ts";
import { demand, sumOf } from "../decide/demand.ts";
import { type AdminRequest, type AdminResponse, jsonResponse, textResponse } from "./admin-request.ts";
import { mergeMetrics } from "./merge-metrics.ts";
import { clusterStatus } from "./status-view.ts";

/** A node that does not answer by then is left out. */
const COLLECT_TIMEOUT_MS = 2_000;
const DEFAULT_LOG_LINES = 100;
/** Of each replica; more is what the files are for. */
const MOST_LOG_LINES = 10_000;

/** What this family works with. */
export type ObserveDeps = {
  readonly controller: Controller;
  /** Id of this controller. */
  readonly self: string;
  /** This process's own metrics as Prometheus text. */
  readonly ownMetrics: () => string;
};

/** `GET status` */
export async function getStatus({ controller, self }: ObserveDeps): Promise<AdminResponse> {
  const storeProblems = await controller.storeProblems();
  return jsonResponse(200, clusterStatus(controller.snapshot(), { self, storeProblems }));
}

/** `GET demand`: what cannot be placed, so that something else can add machines. */
export function getDemand({ controller }: ObserveDeps): AdminResponse {
  const pending = demand(controller.snapshot());
  const since = (beganAt: number): string => new Date(controller.operations.wallTimeOf(beganAt)).toISOString();
  const views = pending.map(({ beganAt, ...rest }) => ({ ...rest, since: since(beganAt) }));
  return jsonResponse(200, { resources: sumOf(pending), pending: views });
}

/** `GET metrics`: all nodes', and this controller's own. */
export async function getMetrics({ controller, ownMetrics }: ObserveDeps): Promise<AdminResponse> {
  const answers = await controller.streams.collect({ kind: "metrics" }, COLLECT_TIMEOUT_MS);
  const texts = [{ node: "controller", text: ownMetrics() }, ...answers];
  return textResponse("text/plain; version=0.0.4; charset=utf-8", mergeMetrics(texts));
}

/** `GET logs?deployment=app/dep&lines=N`: the last lines of every replica of it, or of all. */
export async function getLogs({ controller }: ObserveDeps, request: AdminRequest): Promise<AdminResponse> {
  const deployment = request.query.get("deployment") ?? "";
  const lines = Number(request.query.get("lines") ?? DEFAULT_LOG_LINES);
  if (!Number.isInteger(lines) || lines < 1 || lines > MOST_LOG_LINES) {
    throw new InvalidRequestError(`lines must be a whole number from 1 to ${MOST_LOG_LINES}`);
  }
  const answers = await controller.streams.collect({ kind: "logs", deployment, lines }, COLLECT_TIMEOUT_MS);
  const parsed = answers.flatMap(({ text }) =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map(toObject),
  );
  return jsonResponse(200, { lines: parsed.sort((a, b) => timeOf(a) - timeOf(b)) });
}

/** A line that is not JSON (a crash message of the runtime, say) is kept as a message. */
function toObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    return { msg: line };
  }
  return { msg: line };
}

function timeOf(line: Readonly<Record<string, unknown>>): number {
  const time = line["time"];
  return typeof time === "number" ? time : 0;
}
