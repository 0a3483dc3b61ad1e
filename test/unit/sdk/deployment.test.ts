import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidSpecError } from "../../../core/error.ts";
import { boundParts, deployment, isClass } from "../../../sdk/deployment.ts";
import { secret } from "../../../sdk/secret.ts";

class Greeter {
  readonly greeting: string;
  constructor(greeting: string) {
    this.greeting = greeting;
  }
  predict(name: string): string {
    return `${this.greeting}, ${name}`;
  }
}

describe("deployment", () => {
  it("leaves the class as it is and names the deployment after it", () => {
    const bound = deployment(Greeter).bind("Hello");
    assert.equal(bound.name, "Greeter");
    assert.equal(boundParts(bound)?.target, Greeter);
    assert.equal(new Greeter("Hi").predict("Ada"), "Hi, Ada");
  });

  it("refuses wrong options where they are written, all of them at once", () => {
    const wrong = { numReplicas: -1, name: "a b", maxOngoing: 3 } as object;
    assert.throws(
      () => deployment(Greeter, wrong),
      (error: unknown) => {
        assert.ok(error instanceof InvalidSpecError);
        assert.deepEqual(error.details.problems?.map(({ path }) => path).toSorted(), [
          "maxOngoing",
          "name",
          "numReplicas",
        ]);
        return true;
      },
    );
  });

  it("options() changes what it names and keeps the rest", () => {
    const first = deployment(Greeter, { numReplicas: 2, name: "hello" });
    const bound = first.options({ idempotent: true }).bind("Hello");
    assert.deepEqual(boundParts(bound)?.options, { numReplicas: 2, idempotent: true });
    assert.equal(bound.name, "hello");
  });

  it("keeps functions that the control plane asks apart, and says in the options that they are there", () => {
    const policy = (): number => 2;
    const verify = (): void => {};
    const gates = [{ metric: "accuracy", least: 0.9 }];
    const options = { autoscaling: { maxReplicas: 4, policy }, rollout: { gates, verify } };
    const parts = boundParts(deployment(Greeter, options).options({ idempotent: true }).bind("Hello"));
    assert.deepEqual(parts?.functions, { policy, verify });
    assert.deepEqual(JSON.parse(JSON.stringify(parts?.options)), {
      autoscaling: { maxReplicas: 4, hasPolicy: true },
      rollout: { gates, hasVerify: true },
      idempotent: true,
    });
  });

  it("refuses functions anywhere else, and what only follows from functions", () => {
    const wrong = {
      autoscaling: { policy: "fast", hasPolicy: true },
      rollout: { verify: true, steps: () => [1] },
      numReplicas: () => 2,
      userConfig: { make: () => 1 },
    } as object;
    assert.throws(
      () => deployment(Greeter, wrong),
      (error: unknown) => {
        assert.ok(error instanceof InvalidSpecError);
        assert.deepEqual(error.details.problems?.map(({ path }) => path).toSorted(), [
          "autoscaling.hasPolicy",
          "autoscaling.policy",
          "numReplicas",
          "rollout.steps",
          "rollout.steps",
          "rollout.verify",
          "userConfig.make",
        ]);
        return true;
      },
    );
  });

  for (const method of ["with", "then"]) {
    it(`refuses a public method named ${method} at bind`, () => {
      class Odd {
        predict(): number {
          return 1;
        }
      }
      Object.defineProperty(Odd.prototype, method, { value: () => 1 });
      assert.throws(() => deployment(Odd).bind(), new RegExp(`cannot be named ${method}`));
    });
  }

  it("names an unnamed function ingress", () => {
    assert.equal(deployment(async () => new Response("hi")).bind().name, "ingress");
  });

  it("refuses what is neither class nor function", () => {
    assert.throws(() => deployment({} as never), InvalidSpecError);
  });
});

it("isClass tells classes from every kind of function", () => {
  class Empty {}
  assert.ok(isClass(Empty));
  assert.ok(!isClass((() => new Response()) as never));
  assert.ok(!isClass(async () => new Response()));
  assert.ok(!isClass(function plain() {} as never));
  assert.ok(!isClass(Empty.bind(null) as never));
});

it("secret refuses what cannot be the name of an environment variable", () => {
  assert.deepEqual(secret("API_KEY"), { secret: "API_KEY" });
  for (const name of ["", "1A", "A-B", "A B", "A=1"]) assert.throws(() => secret(name), InvalidSpecError);
});
