/** A broken promise of our own code, never of a user's: it should be impossible to see one. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws unless `condition` holds. For programmer errors only; bad input gets a ServeError. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (condition !== true && !condition) throw new InvariantError(message);
}
