import { InvalidRequestError } from "../../core/error.ts";
import { DEFAULT_NODE_DRAIN_MS } from "../../core/limits.ts";
import type { Controller } from "../controller.ts";
import { type AdminRequest, type AdminResponse, emptyResponse, jsonResponse, readFields } from "./admin-request.ts";
import { nodeViews } from "./status-view.ts";

/** What the node family works with. */
export type NodesDeps = { readonly controller: Controller };

/** `GET nodes` */
export function getNodes({ controller }: NodesDeps): AdminResponse {
  return jsonResponse(200, { nodes: nodeViews(controller.snapshot()) });
}

/** `POST nodes/{id}/drain` with `{deadlineMs?}`: answers at once, `GET nodes` says when it is empty. */
export async function postDrain(
  { controller }: NodesDeps,
  node: string,
  request: AdminRequest,
): Promise<AdminResponse> {
  const { deadlineMs = DEFAULT_NODE_DRAIN_MS } = await readFields(request);
  if (typeof deadlineMs !== "number") throw new InvalidRequestError("deadlineMs must be a number (milliseconds)");
  const { deadlineAt } = await controller.operations.drainNode(node, deadlineMs);
  return jsonResponse(202, { node, deadlineAt: new Date(deadlineAt).toISOString() });
}

/** `POST nodes/{id}/undrain` */
export async function postUndrain({ controller }: NodesDeps, node: string): Promise<AdminResponse> {
  await controller.operations.undrainNode(node);
  return emptyResponse(202);
}
