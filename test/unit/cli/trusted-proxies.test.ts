import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import { clusterOptions } from "../../../cli/settings.ts";
import { parseTrustedProxies } from "../../../cli/trusted-proxies.ts";

function exitCode(text: string): number {
  try {
    parseTrustedProxies(text);
  } catch (error) {
    assert.ok(error instanceof CliError);
    return error.exitCode;
  }
  return 0;
}

test("networks and addresses of both families are taken, and none is the default", () => {
  const networks = ["10.0.0.0/8", "192.168.1.7", "::1", "2001:db8::/32"];
  assert.deepEqual(parseTrustedProxies(networks.join(", ")), networks);
  assert.deepEqual(clusterOptions({ trustedProxies: "10.0.0.1" }, {}).worker.trustedProxies, ["10.0.0.1"]);
  assert.deepEqual(clusterOptions({}, {}).worker.trustedProxies, []);
});

test("what is neither is a usage error, and what would trust everybody is refused", () => {
  for (const text of ["proxy.local", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::1/129", "10.0.0", "fe80::1%eth0"]) {
    assert.equal(exitCode(text), EXIT.usage, text);
  }
  assert.equal(exitCode("0.0.0.0/0"), EXIT.refused);
  assert.equal(exitCode("10.0.0.1,::/0"), EXIT.refused);
});
