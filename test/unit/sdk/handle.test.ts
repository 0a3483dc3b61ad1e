import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import type { Call } from "../../../core/call.ts";
import type { DeploymentId } from "../../../core/ids.ts";
import { createHandle } from "../../../sdk/handle.ts";

function recorder(): { calls: Call[]; handle: ReturnType<typeof createHandle> } {
  const calls: Call[] = [];
  const call = async (made: Call): Promise<string> => {
    calls.push(made);
    return `${made.method} answered`;
  };
  return { calls, handle: createHandle("app/Digits" as DeploymentId, { call }) };
}

describe("a handle", () => {
  it("calls its deployment with the arguments as they are", async () => {
    const { calls, handle } = recorder();
    const pending = Promise.resolve(3);
    assert.equal(await handle["classify"]?.(1, pending), "classify answered");
    assert.deepEqual(calls, [{ deployment: "app/Digits", method: "classify", args: [1, pending], options: {} }]);
  });

  it("is no promise: awaiting one answers with the handle itself", async () => {
    const { calls, handle } = recorder();
    assert.equal(await handle, handle);
    assert.deepEqual(calls, []);
  });

  it("makes no call when it is printed, compared or turned into text or JSON", () => {
    const { calls, handle } = recorder();
    assert.match(inspect(handle), /Handle app\/Digits/);
    assert.match(String(handle), /Handle app\/Digits/);
    assert.equal(JSON.stringify({ handle }), '{"handle":{}}');
    assert.deepEqual(handle, handle);
    assert.deepEqual(calls, []);
  });

  it("with() adds options to those it has, and leaves the first handle as it was", async () => {
    const { calls, handle } = recorder();
    const withOptions = handle["with"] as unknown as (options: object) => ReturnType<typeof createHandle>;
    const second = (withOptions({ timeoutMs: 50 })["with"] as unknown as typeof withOptions)({ key: "a" });
    await second["run"]?.();
    await handle["run"]?.();
    assert.deepEqual(
      calls.map(({ options }) => options),
      [{ timeoutMs: 50, key: "a" }, {}],
    );
  });

  for (const wrong of [
    { timeout: 5 },
    { timeoutMs: "5" },
    { timeoutMs: -1 },
    { signal: {} },
    { idempotent: 1 },
    null,
  ]) {
    it(`with(${JSON.stringify(wrong)}) is refused`, () => {
      const { handle } = recorder();
      assert.throws(() => handle["with"]?.(wrong), TypeError);
    });
  }

  it("offers neither hooks nor fetch, and cannot be changed", () => {
    const { handle } = recorder();
    for (const name of ["setup", "reconfigure", "healthCheck", "teardown", "fetch", "websocket", "then"]) {
      assert.equal(handle[name], undefined);
    }
    assert.throws(() => Object.assign(handle, { classify: 1 }), TypeError);
  });

  it("gives the same function each time a method is asked for", () => {
    const { handle } = recorder();
    assert.equal(handle["classify"], handle["classify"]);
  });
});
