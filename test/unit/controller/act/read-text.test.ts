import assert from "node:assert/strict";
import { it } from "node:test";
import { readText, withoutQuery } from "../../../../controller/act/read-text.ts";
import { MOST_METRIC_BYTES } from "../../../../core/limits.ts";

const URL_WITH_TOKEN = "http://metrics.test/page?token=secret";

it("the text of a page is read, and no redirect is followed", async () => {
  const asked: RequestInit[] = [];
  const get = async (_: string, init: RequestInit): Promise<Response> => {
    asked.push(init);
    return new Response("lag 1\n");
  };
  assert.equal(await readText(get, URL_WITH_TOKEN), "lag 1\n");
  assert.equal(asked[0]?.redirect, "error");
});

it("an error page and one that is too long are refused, without the tokens of their URLs", async () => {
  await assert.rejects(
    readText(async () => new Response("", { status: 503 }), URL_WITH_TOKEN),
    { message: "http://metrics.test/page answered 503" },
  );
  await assert.rejects(
    readText(async () => new Response(new Uint8Array(MOST_METRIC_BYTES + 1)), URL_WITH_TOKEN),
    { message: `http://metrics.test/page answered with more than ${MOST_METRIC_BYTES} bytes` },
  );
  assert.equal(withoutQuery("http://user:pass@metrics.test/page?token=secret#x"), "http://metrics.test/page");
});
