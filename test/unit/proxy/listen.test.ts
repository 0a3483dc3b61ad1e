import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "../../../core/network.ts";
import { seededRandom } from "../../../core/random.ts";
import type { ProxySettings } from "../../../proto/control/message.ts";
import type { HttpFront, ListenOptions } from "../../../proxy/http-front.ts";
import { listen } from "../../../proxy/listen.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const ADDRESS = { host: "127.0.0.1", port: 8_000 };
const SETTINGS: ProxySettings = { front: "node", isFirst: false, proxyCount: 1, trustedProxies: [] };

/** A front that cannot listen as often as it has errors. */
class Stubborn implements HttpFront {
  readonly asked: ListenOptions[] = [];
  readonly #errors: string[];

  constructor(errors: readonly string[]) {
    this.#errors = [...errors];
  }

  listen(options: ListenOptions): Promise<Address> {
    this.asked.push(options);
    const code = this.#errors.shift();
    return code === undefined
      ? Promise.resolve(options.address)
      : Promise.reject(Object.assign(new Error(`listen ${code}`), { code }));
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}

function start(front: HttpFront, settings: Partial<ProxySettings>) {
  const clock = new ManualClock();
  const troubles: string[] = [];
  const deps = { clock, random: seededRandom(1), front };
  const run = { listen: ADDRESS, proxy: { ...SETTINGS, ...settings } };
  return { clock, troubles, ...listen(deps, run, (reason) => troubles.push(reason)) };
}

test("the first proxy tells once that its port is in use, and does not try again", async () => {
  const front = new Stubborn(["EADDRINUSE"]);
  const { listening, troubles, clock } = start(front, { isFirst: true });
  assert.equal(await listening, undefined);
  await clock.advanceAsync(60_000);
  assert.equal(front.asked.length, 1);
  assert.match(troubles[0] ?? "", /port 8000 on 127\.0\.0\.1 is in use: .*--http-port/);
});

test("a later proxy tries until it has the port, and tells a trouble only when it is another one", async () => {
  const front = new Stubborn(["EADDRINUSE", "EADDRINUSE", "EACCES", "EADDRINUSE"]);
  const { listening, troubles, clock } = start(front, {});
  for (let attempt = 0; attempt < 4; attempt++) await clock.advanceAsync(400);
  assert.deepEqual(await listening, ADDRESS);
  assert.deepEqual(
    troubles.map((text) => /in use|may not be used/.exec(text)?.[0]),
    ["in use", "may not be used", "in use"],
  );
});

test("a proxy that is told to end tries no more", async () => {
  const front = new Stubborn(["EADDRINUSE"]);
  const { listening, clock, stop } = start(front, {});
  await clock.advanceAsync(0);
  stop();
  assert.equal(await listening, undefined);
  await clock.advanceAsync(60_000);
  assert.equal(front.asked.length, 1);
});

test("one of several proxies shares its port, and one alone does not", async () => {
  for (const proxyCount of [1, 2]) {
    const front = new Stubborn([]);
    await start(front, { proxyCount }).listening;
    assert.equal(front.asked[0]?.isShared, proxyCount > 1);
  }
});
