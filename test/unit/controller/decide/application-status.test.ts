import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applicationStatus } from "../../../../controller/decide/application-status.ts";
import { idOf } from "../../../fake/cluster-fixture.ts";

const record = { target: 2, stable: 2, failure: undefined, isDeleting: false };
const healthy = { name: "A", status: "healthy", reason: "" } as const;
const unhealthy = { name: "B", status: "unhealthy", reason: "it crashed" } as const;

describe("the status of an application", () => {
  it("runs when its release serves and all is well", () => {
    assert.deepEqual(applicationStatus(record, [healthy]), { status: "running", reason: "" });
  });

  it("is deploying until the release that was asked for serves, however well the earlier one does", () => {
    const updating = { name: "B", status: "updating", reason: "0 of 1" } as const;
    assert.deepEqual(applicationStatus({ ...record, stable: 1 }, [healthy, updating]), {
      status: "deploying",
      reason: "B: 0 of 1",
    });
    assert.equal(applicationStatus({ ...record, stable: 1 }, [healthy]).status, "deploying");
  });

  it("is unhealthy with the first reason when a deployment is", () => {
    assert.deepEqual(applicationStatus(record, [healthy, unhealthy]), { status: "unhealthy", reason: "B: it crashed" });
  });

  it("says what failed and whether something still serves", () => {
    const failure = { deployment: idOf("app", "A"), reason: "boom" };
    assert.deepEqual(applicationStatus({ ...record, stable: 0, failure }, []), {
      status: "deploy_failed",
      reason: "A: boom",
    });
    assert.match(
      applicationStatus({ ...record, stable: 1, failure }, []).reason,
      /^A: boom \(the version that served before/,
    );
  });

  it("is deleting before anything else", () => {
    assert.equal(applicationStatus({ ...record, isDeleting: true }, [unhealthy]).status, "deleting");
  });
});
