import type { Cancellation } from "../../core/cancellation.ts";
import { PermissionDeniedError } from "../../core/error.ts";
import { EMPTY_BODY } from "../../proto/body.ts";
import type { HttpRequestHead } from "../../proto/exchange.ts";
import { toRequest } from "./light-request.ts";

/**
 * Asks the `authorize(request)` hook of an ingress whether a request may go on; resolves at once where there is none. The
 * request it is given has everything but the body. Only `true` lets it in: a hook that forgets to answer, or answers with
 * something that merely looks like yes, must open nothing.
 *
 * @throws {PermissionDeniedError} when it says no
 * @throws whatever the hook throws: `UnauthenticatedError`, or an error with a `status` of its own
 */
export async function authorizeRequest(
  instance: object,
  head: HttpRequestHead,
  cancellation: Cancellation,
): Promise<void> {
  const { authorize } = instance as { readonly authorize?: unknown };
  if (typeof authorize !== "function") return;
  const answer: unknown = await authorize.call(instance, toRequest(head, EMPTY_BODY, cancellation));
  if (answer !== true) throw new PermissionDeniedError("the application does not allow this request");
}
