import assert from "node:assert/strict";
import { it } from "node:test";
import { isOurs, newIn, parseListening } from "../../../../tools/leftovers/snapshot.ts";

it("names what is there after and was not before", () => {
  const before = { processes: ["1 node a"], ports: [], files: ["?? a"], temporary: [] };
  const after = { processes: ["1 node a", "2 node b"], ports: ["port 8000"], files: [], temporary: ["thornback-x"] };
  assert.deepEqual(newIn(after, before), ["processes: 2 node b", "ports: port 8000", "temporary: thornback-x"]);
});

it("takes a process for ours by its arguments or its folder, unless it only looks on", () => {
  const places = ["/checkout/", "/tmp/thornback"];
  assert.equal(isOurs({ text: "node /checkout/controller/main.ts", folder: "/" }, places), true);
  assert.equal(isOurs({ text: "node app.mjs", folder: "/tmp/thornback-test-1/project" }, places), true);
  assert.equal(isOurs({ text: "tail -f /checkout/x.log", folder: "/checkout/" }, places), false);
  assert.equal(isOurs({ text: "npm run verify", folder: "/checkout/" }, places), false);
  assert.equal(isOurs({ text: "node other.js", folder: "/elsewhere" }, places), false);
});

it("reads listening sockets from the kernel's table", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000
   1: 0100007F:C350 0100007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000
`;
  assert.deepEqual(parseListening(table), [{ port: 8000, inode: "4711" }]);
});
