import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { replicaPids, startCluster, type TestCluster } from "./cluster.ts";

type Problem = {
  status: number;
  code: string;
  detail: string;
  requestId?: string;
  problems?: { path: string; message: string }[];
};

let cluster: TestCluster;
let pids: readonly number[];

before(async () => {
  cluster = await startCluster();
  const file = new URL("../fixture/bad-requests/app.ts", import.meta.url).pathname;
  const { code, err } = await cluster.serve(["deploy", file]);
  assert.equal(code, 0, err);
  assert.ok(cluster.admin);
  pids = await replicaPids(cluster.admin);
});

after(async () => {
  await cluster.close();
});

async function send(path: string, init: RequestInit = {}): Promise<{ response: Response; problem: Problem }> {
  const response = await fetch(`${String(cluster.http)}${path}`, init);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = (await response.json()) as Problem;
  assert.equal(problem.status, response.status);
  assert.ok(problem.detail.length > 0);
  return { response, problem };
}

function json(body: string, contentType = "application/json"): RequestInit {
  return { method: "POST", headers: { "content-type": contentType }, body };
}

test("an unknown route is 404 and names the path", async () => {
  const { response, problem } = await send("/nowhere");
  assert.equal(response.status, 404);
  assert.equal(problem.code, "route_not_found");
  const { response: sibling } = await send("/strictly", json("{}"));
  assert.equal(sibling.status, 404, "/strict does not match /strictly");
});

test("a wrong method is 405 and says which are allowed", async () => {
  const { response, problem } = await send("/strict", { method: "PUT" });
  assert.equal(response.status, 405);
  assert.equal(problem.code, "method_not_allowed");
  assert.match(response.headers.get("allow") ?? "", /POST/);
});

test("a wrong content type is 415", async () => {
  const { response, problem } = await send("/strict", json("<a/>", "text/xml"));
  assert.equal(response.status, 415);
  assert.equal(problem.code, "unsupported_media_type");
});

test("broken JSON is 400 and says where", async () => {
  for (const body of [
    '{"name": "a", ',
    "",
    "{'name': 1}",
    '{"name": NaN}',
    `${"[".repeat(5000)}${"]".repeat(5000)}`.slice(0, 900),
  ]) {
    const { response, problem } = await send("/strict", json(body));
    assert.equal(response.status, 400, body.slice(0, 20));
    assert.equal(problem.code, "invalid_request");
  }
  const { problem } = await send("/strict", json('{"name": "a", "amounts": [1, 2,]}'));
  assert.match(`${problem.detail} ${JSON.stringify(problem.problems)}`, /position|line|column|offset/i);
});

test("a body that breaks the schema is 400 with every problem and its path", async () => {
  const { response, problem } = await send("/strict", json('{"name": 1, "amounts": [1, "two", null]}'));
  assert.equal(response.status, 400);
  const paths = problem.problems?.map(({ path }) => path) ?? [];
  for (const path of ["name", "amounts[1]", "amounts[2]"])
    assert.ok(paths.includes(path), `${path} in ${paths.join()}`);
});

test("keys named like the prototype are data and change nothing", async () => {
  const response = await fetch(
    `${String(cluster.http)}/strict`,
    json(
      '{"name": "a", "amounts": [], "__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    ),
  );
  assert.equal(response.status, 200);
  const again = await fetch(`${String(cluster.http)}/strict`, json('{"name": "b", "amounts": []}'));
  assert.equal("polluted" in ((await again.json()) as object), false);
});

test("a body over the limit is 413, declared or chunked", async () => {
  const large = JSON.stringify({ name: "x".repeat(2000), amounts: [] });
  const { response, problem } = await send("/strict", json(large));
  assert.equal(response.status, 413);
  assert.equal(problem.code, "payload_too_large");
  const stream = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode("x".repeat(100)));
      controller.close();
    },
  });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: stream, duplex: "half" };
  const chunked = await send("/strict", init as RequestInit);
  assert.equal(chunked.response.status, 413);
});

test("tensors of the wrong shape or type are 400 and never reach the model", async () => {
  for (const rows of [
    [[1, 2, 3]],
    [Array(64).fill("a")],
    [Array(64).fill(null)],
    [],
    [Array(64).fill(0), Array(63).fill(0)],
    "rows",
  ]) {
    const { response, problem } = await send("/tensors", json(JSON.stringify({ rows })));
    assert.equal(response.status, 400, JSON.stringify(rows).slice(0, 40));
    assert.equal(problem.code, "invalid_request");
  }
  const good = await fetch(`${String(cluster.http)}/tensors`, json(JSON.stringify({ rows: [Array(64).fill(0)] })));
  assert.deepEqual(await good.json(), [10]);
});

test("paths that hide dot segments or control characters are 400", async () => {
  const { response } = await send("/..%2f..%2fetc/passwd%00");
  assert.equal(response.status, 400);
});

test("what breaks HTTP itself gets a problem body and a closed connection", async () => {
  const host = "Host: 127.0.0.1\r\n";
  const cases: [string, RegExp][] = [
    ["GET /fetching/a HTTP/1.1\r\n\r\n", /^HTTP\/1\.1 400/],
    [`GET /fetching/a HTTP/1.1\r\n${host}Host: other\r\n\r\n`, /^HTTP\/1\.1 400/],
    [
      `POST /strict HTTP/1.1\r\n${host}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 400/,
    ],
    [`GET /fetching/a HTTP/1.1\r\n${host}${"x-h: 1\r\n".repeat(200)}\r\n`, /^HTTP\/1\.1 431/],
    [`GET /fetching/a HTTP/1.1\r\n${host}x-long: ${"y".repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    [`GET http://169.254.169.254/latest HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 421/],
    [`CONNECT example.com:80 HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1\.1 405/],
    ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /^HTTP\/1\.1 400/],
  ];
  for (const [bytes, expected] of cases) {
    const answer = await raw(bytes);
    assert.match(answer, expected, bytes.slice(0, 60));
    assert.match(answer, /application\/problem\+json/, bytes.slice(0, 60));
  }
});

test("through all of it no replica was restarted", async () => {
  assert.deepEqual(await replicaPids(String(cluster.admin)), pids);
});

async function raw(bytes: string): Promise<string> {
  const url = new URL(String(cluster.http));
  const socket = connect(Number(url.port), url.hostname);
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    answer += text;
    if (/\r\n\r\n/.test(answer)) socket.end();
  });
  socket.write(bytes, "latin1");
  // A reset after the answer is the server's right: it closes without reading what it refused.
  socket.on("error", () => undefined);
  await once(socket, "close");
  return answer;
}
