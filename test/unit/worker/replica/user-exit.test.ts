import assert from "node:assert/strict";
import { test } from "node:test";
import { catchUserExit, ExitCalled } from "../../../../worker/replica/user-exit.ts";

test("process.exit in user code is told with its place and unwinds; the way out stays", () => {
  const codes: unknown[] = [];
  const reasons: string[] = [];
  const target = { exit: (code?: unknown) => void codes.push(code) } as unknown as Parameters<typeof catchUserExit>[0];
  const exit = catchUserExit(
    target,
    () => "",
    (reason) => reasons.push(reason),
  );
  assert.throws(() => target.exit(3), ExitCalled);
  assert.match(reasons[0] ?? "", /^process\.exit\(3\) was called at .*user-exit\.test\.ts:\d+:\d+$/);
  assert.deepEqual(codes, []);
  exit(1);
  assert.deepEqual(codes, [1]);
});
