import assert from "node:assert/strict";
import { it } from "node:test";
import { InvalidRequestError } from "../../../core/error.ts";
import { errorFromProblem } from "../../../sdk/problem-error.ts";
import { problemResponse } from "../../../core/problem.ts";

it("a problem document becomes the error it was made from", () => {
  const problems = [{ path: "pixels[3]", message: "must be a number" }];
  const { status, body } = problemResponse(new InvalidRequestError("bad body", { details: { problems } }), "r1");
  const error = errorFromProblem(status, body);
  assert.deepEqual([error.code, error.message, error.details], ["invalid_request", "bad body", { problems }]);
});

it("an answer in another form keeps its status's meaning", () => {
  assert.equal(errorFromProblem(504, "<html>gateway timeout</html>").code, "deadline_exceeded");
  assert.equal(errorFromProblem(418, "").code, "invalid_request");
  assert.equal(errorFromProblem(599, '{"code":"made_up"}').code, "internal");
});
