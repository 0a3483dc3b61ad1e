/** Checks that no broken part of the cluster is at hand for: each is told of a run in which what it forbids happens. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Check } from "../../../../sim/check/check.ts";
import { createLeftCheck } from "../../../../sim/check/left.ts";
import { createOnceCheck } from "../../../../sim/check/once.ts";
import { createTargetsCheck } from "../../../../sim/check/targets.ts";
import { createVerifiedCheck } from "../../../../sim/check/verified.ts";
import type { DesiredDeployment, SimEvent } from "../../../../sim/event.ts";

type Fields = Record<string, unknown>;

/** Events name only what a check looks at. */
function said(check: Check, events: readonly Fields[]): string | undefined {
  for (const [at, event] of events.entries()) {
    const found = check.observe(at, event as unknown as SimEvent);
    if (found !== undefined) return found;
  }
  return undefined;
}

const asked = (given: Partial<DesiredDeployment>): Fields => ({
  kind: "deployAsked",
  application: "app",
  deployments: [{ id: "app/D", version: "d-1", least: 1, most: 3, hasVerify: false, ...given }],
});
const decided = (action: string, about: string, more: Fields = {}): Fields => ({
  ...{ kind: "decision", by: "controller-1", action, about, reason: "why" },
  ...more,
});

describe("the check on targets", () => {
  it("finds a count that is neither within the bounds nor asked for by hand", () => {
    const target = (count: number, reason = "loadRose"): Fields =>
      decided("setTarget", "app/D", { target: count, reason });
    const byHand = { kind: "handAsked", about: "app/D", command: "scale", amount: 5 };
    const known = [asked({}), target(3), target(0, "deleting"), byHand, target(5)];
    assert.equal(said(createTargetsCheck(), known), undefined);
    assert.match(said(createTargetsCheck(), [asked({}), target(4)]) ?? "", /wants 4 replicas of app\/D/);
    assert.match(said(createTargetsCheck(), [asked({}), target(0)]) ?? "", /wants 0 replicas/);
  });
});

describe("the check on verified versions", () => {
  const events = (passed: boolean): readonly Fields[] => [
    decided("promote", "app"),
    asked({ version: "d-2" as never, hasVerify: true }),
    { kind: "replicaOrdered", replica: "r", deployment: "app/D", version: "d-2" },
    { kind: "invoked", request: "of-verify", replica: "r", deployment: "app/D", version: "d-2" },
    { kind: "verifyEnded", deployment: "app/D", version: "d-2", isPassed: passed },
    { kind: "requestStarted", request: "of-user" },
    { kind: "invoked", request: "of-user+1", replica: "r", deployment: "app/D", version: "d-2" },
  ];

  it("finds a user's request at a version that was not verified", () => {
    assert.equal(said(createVerifiedCheck(), events(true)), undefined);
    assert.match(said(createVerifiedCheck(), events(false)) ?? "", /of-user\+1 before version d-2/);
  });

  it("expects nothing of an application's first version", () => {
    assert.equal(said(createVerifiedCheck(), events(false).slice(1)), undefined);
  });
});

describe("the check on actions", () => {
  it("finds one that is done twice, and a second process of a replica", () => {
    assert.match(said(createOnceCheck(), [decided("drain", "r"), decided("drain", "r")]) ?? "", /drain about r twice/);
    const ordered = (process: string): Fields => ({ kind: "replicaOrdered", replica: "r", process });
    assert.match(said(createOnceCheck(), [ordered("p1"), ordered("p2")]) ?? "", /r runs in p1, and was started in p2/);
    const ended = { kind: "processEnded", process: "p1" };
    assert.equal(said(createOnceCheck(), [ordered("p1"), ended, ordered("p2")]), undefined);
  });

  it("finds a process that serves again after its drain", () => {
    const state = (name: string): Fields => ({ kind: "replicaState", replica: "r", process: "p", state: name });
    assert.match(said(createOnceCheck(), [state("ready"), state("draining"), state("ready")]) ?? "", /p of r is ready/);
  });
});

describe("the check on what is left", () => {
  it("finds a request that a router still counts, and timers that nobody cancelled", () => {
    const left = (requests: number, timers: number): Fields => ({
      kind: "left",
      process: "p",
      role: "proxy",
      requests,
      timers,
    });
    assert.equal(said(createLeftCheck(), [left(0, 3)]), undefined);
    assert.match(said(createLeftCheck(), [left(1, 3)]) ?? "", /still counts 1 requests/);
    assert.match(said(createLeftCheck(), [left(0, 1_000)]) ?? "", /still has 1000 timers/);
  });
});
