import assert from "node:assert/strict";
import { test } from "node:test";
import { formatStatus } from "../../../../cli/command/status.ts";
import { Printer } from "../../../../cli/print.ts";
import type { ClusterStatus } from "../../../../core/status.ts";

const print = new Printer({ write() {} }, { write() {} }, {});

function clusterStatus(problems: readonly string[]): ClusterStatus {
  return {
    applications: [],
    nodes: [],
    controller: { self: "c", epoch: 1, leader: "c" },
    store: { problems },
  };
}

test("what is wrong with the store comes first, and nothing is said of a store that is well", () => {
  const damaged = "StoreCorrupt: a record of store/log at byte 7 is damaged; it is kept in store/quarantine";
  assert.match(formatStatus(clusterStatus([damaged]), print), /^store\n {2}StoreCorrupt: a record .* at byte 7/);
  assert.doesNotMatch(formatStatus(clusterStatus([]), print), /store/);
});
