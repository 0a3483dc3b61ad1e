import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { guard } from "../../../../controller/service/admin-guard.ts";
import { ServeError } from "../../../../core/error.ts";

function verdict(headers: Record<string, string>, token?: string, host = "127.0.0.1"): string {
  try {
    guard({ host, token }, headers);
    return "passes";
  } catch (thrown) {
    return ServeError.from(thrown).code;
  }
}

describe("the guard of the admin API", () => {
  it("lets programs on this machine pass, by any of its own names", () => {
    for (const host of ["127.0.0.1:8265", "localhost:8265", "[::1]:8265", "LOCALHOST"])
      assert.equal(verdict({ host }), "passes");
    assert.equal(verdict({ host: "10.0.0.5:8265" }, undefined, "10.0.0.5"), "passes");
  });

  it("refuses a name that somebody else made point here", () => {
    for (const host of ["evil.example", "evil.example:8265", "127.0.0.1.evil.example", ""]) {
      assert.equal(verdict({ host }), "misdirected_request");
    }
  });

  it("refuses web pages, with or without a token", () => {
    const host = "127.0.0.1:8265";
    assert.equal(verdict({ host, origin: "http://127.0.0.1:8265" }), "permission_denied");
    assert.equal(verdict({ host, "sec-fetch-site": "cross-site" }), "permission_denied");
    assert.equal(verdict({ host, origin: "null", authorization: "Bearer t" }, "t"), "permission_denied");
    assert.equal(verdict({ host, "sec-fetch-site": "none" }), "passes");
  });

  it("asks for the token where there is one, and then takes any name", () => {
    assert.equal(verdict({ host: "head.example" }, "t"), "unauthenticated");
    assert.equal(verdict({ host: "head.example", authorization: "Bearer wrong" }, "t"), "unauthenticated");
    assert.equal(verdict({ host: "head.example", authorization: "Bearer t" }, "t"), "passes");
  });
});
