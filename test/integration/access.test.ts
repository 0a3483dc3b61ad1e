import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { eventually, replicaPids, startCluster, type TestCluster } from "./cluster.ts";

const APP = new URL("../fixture/access/app.ts", import.meta.url).pathname;
const PAGE = "https://app.example.com";

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
};

for (const front of ["node", "llhttp"]) {
  describe(`with the ${front} front`, () => {
    let cluster: TestCluster;

    before(async () => {
      cluster = await startCluster(["--http-front", front, "--trusted-proxies", "127.0.0.0/8"]);
      const { code, err } = await cluster.serve(["deploy", APP]);
      assert.equal(code, 0, err);
    });
    after(async () => {
      await cluster.close();
    });

    /** Not `fetch`, which may not say `origin`. */
    function send(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
      return new Promise((resolve, reject) => {
        const request = httpRequest(`${cluster.http}${path}`, { method, headers, agent: false }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          response.on("end", () => {
            const body = (text === "" ? {} : JSON.parse(text)) as Answer["body"];
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          });
        });
        request.on("error", reject).end();
      });
    }

    const withKey = (key: string, path = "", more: Record<string, string> = {}): Promise<Answer> =>
      send(`/closed${path}`, { authorization: `Bearer ${key}`, ...more });

    test("without a key or with a wrong one it is 401, and the replica is not asked", async () => {
      for (const headers of [{}, { "x-api-key": "tb_mallory" }, { authorization: "Basic YTpi" }]) {
        const { status, headers: said, body } = await send("/closed", headers);
        assert.equal(status, 401);
        assert.equal(said["www-authenticate"], "Bearer");
        assert.equal(body["code"], "unauthenticated");
      }
    });

    test("a key lets in; the replica hears whose it was and not the key", async () => {
      const spoofed = { "x-thornback-key": "root" };
      for (const headers of [{ authorization: "Bearer tb_alice" }, { "x-api-key": "tb_alice" }]) {
        const { status, body } = await send("/closed", { ...headers, ...spoofed });
        assert.equal(status, 200);
        assert.equal(body["x-thornback-key"], "alice");
        assert.doesNotMatch(JSON.stringify(body), /tb_/);
      }
      assert.equal((await send("/open", spoofed)).body["x-thornback-key"], undefined);
    });

    test("a key over its rate is 429 with Retry-After, another key is not", async () => {
      assert.equal((await withKey("tb_slow")).status, 200);
      assert.equal((await withKey("tb_slow")).status, 200);
      const { status, headers, body } = await withKey("tb_slow");
      assert.equal(status, 429);
      assert.equal(body["code"], "rate_limited");
      const seconds = Number(headers["retry-after"]);
      assert.ok(seconds > 90 && seconds <= 100, String(seconds));
      assert.equal((await withKey("tb_alice")).status, 200);
    });

    test("a key with as many requests on their way as it may is 429 until one is answered", async () => {
      const first = withKey("tb_narrow", "/wait");
      await eventually(async () => ((await withKey("tb_alice", "/waiting")).body["count"] === 1 ? true : undefined));
      assert.equal((await withKey("tb_narrow")).body["code"], "rate_limited");
      await withKey("tb_alice", "/go");
      assert.equal((await first).status, 200);
      await eventually(async () => ((await withKey("tb_narrow")).status === 200 ? true : undefined));
    });

    test("authorize has the last word: 403 for false, 401 for what it throws so", async () => {
      const { status, body } = await withKey("tb_alice", "", { "x-user": "mallory" });
      assert.deepEqual([status, body["code"]], [403, "permission_denied"]);
      const nobody = await send("/open", { "x-user": "nobody" });
      assert.deepEqual([nobody.status, nobody.body["detail"]], [401, "say who you are"]);
      assert.equal(nobody.headers["www-authenticate"], "Bearer");
    });

    test("a preflight needs no key, and answers and refusals can be read by the page", async () => {
      const asked = { origin: PAGE, "access-control-request-method": "POST" };
      const preflight = await send("/closed", asked, "OPTIONS");
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers["access-control-allow-origin"], PAGE);
      assert.match(String(preflight.headers["access-control-allow-methods"]), /POST/);
      assert.equal((await send("/closed", { origin: PAGE })).headers["access-control-allow-origin"], PAGE);
      const answer = await withKey("tb_alice", "", { origin: PAGE });
      assert.equal(answer.headers["access-control-allow-origin"], PAGE);
      assert.match(String(answer.headers["vary"]), /origin/);
      const other = await withKey("tb_alice", "", { origin: "https://evil.example" });
      assert.equal(other.headers["access-control-allow-origin"], undefined);
      const open = await send("/open", asked, "OPTIONS");
      assert.deepEqual([open.status, open.body["method"]], [200, "OPTIONS"]);
      assert.equal(open.headers["access-control-allow-origin"], undefined);
    });

    test("a trusted proxy says where a request came from", async () => {
      const { body } = await send("/open", { "x-forwarded-for": "6.6.6.6, 192.0.2.1", "x-forwarded-proto": "https" });
      assert.equal(body["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
      assert.equal(body["x-forwarded-proto"], "https");
      assert.equal(body["x-forwarded-host"], new URL(String(cluster.http)).host);
    });

    test("a deploy with other keys takes effect without a new replica", async () => {
      const before = await replicaPids(cluster.admin ?? "");
      const keys = [{ name: "file", sha256: createHash("sha256").update("tb_of_the_file").digest("hex") }];
      const applications = [
        { import: APP, name: "closed", access: { keys } },
        { import: APP, name: "open" },
      ];
      const file = cluster.project.write("serve.yaml", JSON.stringify({ applications }));
      const { code, out, err } = await cluster.serve(["deploy", file]);
      assert.equal(code, 0, err);
      assert.match(out + err, /other keys, limits or CORS/);
      await eventually(async () => ((await withKey("tb_alice")).status === 401 ? true : undefined));
      assert.equal((await withKey("tb_of_the_file")).body["x-thornback-key"], "file");
      assert.deepEqual(await replicaPids(cluster.admin ?? ""), before);
    });
  });
}
