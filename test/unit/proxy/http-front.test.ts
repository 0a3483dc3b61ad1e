import assert from "node:assert/strict";
import { test } from "node:test";
import { echo, proxyBed } from "../../fake/proxy-bed.ts";

const POST = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close";

for (const front of ["node", "llhttp"] as const) {
  test(`through the ${front} front an upgrade that is ignored leaves nothing of itself for the replica`, async () => {
    const bed = await proxyBed(echo, { front });
    const upgrade = ", upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    const answer = await bed.raw(`${POST}${upgrade}Content-Length: 2\r\n\r\n{}`);
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.doesNotMatch(answer.slice(answer.indexOf("\r\n\r\n")), /upgrade|h2c|http2-settings|connection/i);
    await bed.close();
  });

  test(`through the ${front} front a body that is too long is refused, declared or chunked, and counted once`, async () => {
    const bed = await proxyBed(echo, { front, deployment: { maxRequestBodyBytes: 10 } });
    assert.match(await bed.raw(`${POST}\r\nContent-Length: 11\r\n\r\nhello world`), /^HTTP\/1.1 413 /);
    const chunked = await bed.raw(`${POST}\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n`);
    assert.match(chunked, /^HTTP\/1.1 413 /);
    const counts = bed.metrics
      .samples()
      .filter(({ name, labels }) => /requests_total/.test(name) && labels["status"] === "413");
    assert.deepEqual(
      counts.map(({ values }) => values),
      [[2]],
    );
    await bed.close();
  });
}
