import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, test } from "node:test";
import { echo, proxyBed } from "../../fake/proxy-bed.ts";

const bed = await proxyBed(echo);
after(() => bed.close());

const GET = "GET / HTTP/1.1\r\nHost: x\r\n";

for (const [name, bytes, status] of [
  [
    "content-length and transfer-encoding",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["content-length twice", `${GET}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
  ["an unknown transfer-encoding", `${GET}Transfer-Encoding: xchunked\r\n\r\n`, 400],
  ["a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400],
  ["a negative length", `${GET}Content-Length: -1\r\n\r\n`, 400],
  ["a NUL in a header", `${GET}X: a\0b\r\n\r\n`, 400],
  ["a bad chunk size", `POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
  ["a TLS hello", Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]), 400],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two hosts", `${GET}Host: y\r\n\r\n`, 400],
  ["HTTP/1.0 with transfer-encoding", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
  ["101 headers", `${GET}${"a: b\r\n".repeat(100)}\r\n`, 431],
  ["3,000 headers", `${GET}${"a: b\r\n".repeat(3_000)}\r\n`, 431],
  ["a header of 20 KB", `${GET}X: ${"y".repeat(20_000)}\r\n\r\n`, 431],
  ["another server's absolute URL", "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n", 421],
  ["CONNECT", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405],
  ["an expectation that nobody knows", `${GET}Expect: banana\r\nConnection: close\r\n\r\n`, 417],
] as const) {
  test(`${name}: ${status}, and the connection is closed`, async () => {
    const answer = await bed.raw(bytes);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.equal(answer.match(/^HTTP\/1.1 /gm)?.length, 1, answer);
    if (status !== 417) assert.match(answer, /content-type: application\/problem\+json/);
  });
}

for (const [name, bytes] of [
  ["100 headers", `${GET}${"a: b\r\n".repeat(98)}Connection: close\r\n\r\n`],
  [
    "its own absolute URL",
    `GET http://127.0.0.1:${bed.address.port}/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  ],
  [
    "an upgrade that nobody offers",
    `${GET}Connection: close, upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
  ],
  ["HTTP/1.0 without a host", "GET / HTTP/1.0\r\n\r\n"],
] as const) {
  test(`${name}: served`, async () => {
    const answer = await bed.raw(bytes);
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.doesNotMatch(answer, /"upgrade"|"h2c"|"http2-settings"/i);
  });
}

test("requests sent one behind the other are answered in order", async () => {
  const answer = await bed.raw(
    `${GET}x-request-id: a\r\n\r\n${GET}x-request-id: b\r\n\r\n${GET}x-request-id: c\r\nConnection: close\r\n\r\n`,
  );
  assert.deepEqual(answer.match(/^x-request-id: .*$/gm), ["x-request-id: a", "x-request-id: b", "x-request-id: c"]);
});

test("a client that waits for a 100 gets it, or the refusal instead", async () => {
  const post = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n";
  const taken = await bed.raw(`${post}Content-Length: 2\r\n\r\nhi`);
  assert.match(taken, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
  const refused = await bed.raw(`${post}Content-Length: 5000\r\n\r\n`);
  assert.match(refused, /^HTTP\/1.1 413 /);
});

test("a client that sends all of a body that is too long still sees why, on a connection that stays good", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (size: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const outgoing = request(bed.url, { agent, method: "POST", headers: { "content-length": size } }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      outgoing.on("error", reject).end(Buffer.alloc(size));
    });
  assert.deepEqual([await send(200_000), await send(10)], [413, 200]);
  agent.destroy();
});

test("draining finishes what is under way, then no connection is left", async () => {
  const { promise: began, resolve: begin } = Promise.withResolvers<void>();
  const { promise: answer, resolve: finish } = Promise.withResolvers<void>();
  const own = await proxyBed(async () => {
    begin();
    await answer;
    return { status: 200, headers: [], body: [Buffer.from("done")] };
  });
  const response = fetch(own.url);
  await began;
  const drained = own.front.drain();
  finish();
  assert.equal(await (await response).text(), "done");
  await drained;
  await assert.rejects(fetch(own.url));
  await own.close();
});

test("after all of that the server still answers", async () => {
  assert.equal((await fetch(bed.url)).status, 200);
});
