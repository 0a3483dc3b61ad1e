import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancellation, whenAllCancelled } from "../../../core/cancellation.ts";
import { CancelledError } from "../../../core/error.ts";

const reasonOf = ({ all }: { readonly all: Cancellation }): string | undefined => all.reason?.message;

test("all are cancelled when the last one is, unless nobody asks any more", () => {
  const one = new Cancellation();
  const other = new Cancellation();
  const asked = whenAllCancelled([one, other]);
  const stopped = whenAllCancelled([one, other]);
  stopped.stop();
  one.cancel(new CancelledError("one"));
  assert.equal(reasonOf(asked), undefined);
  other.cancel(new CancelledError("other"));
  assert.equal(reasonOf(asked), "other");
  assert.equal(reasonOf(stopped), undefined);
});
