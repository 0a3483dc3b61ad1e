/**
 * How a proxy begins to listen. The first of a cluster must find its port free: one in use is a mistake in the
 * configuration, which is told once. Where several are to share the port it also has to look whether a stranger of the
 * same user shares it already, because the kernel would then give that one half of the connections. A later one, which
 * replaces a proxy that ended or joins one that listens, tries again until the port is its own: whatever has it, for
 * instance a proxy whose worker has lost it, may go.
 */
import { createServer } from "node:net";
import { backoff } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { PROXY_BACKOFF } from "../core/limits.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import type { RunFile } from "../proto/control/message.ts";
import type { HttpFront } from "./http-front.ts";

/** What it takes to listen. */
export type ListenDeps = { readonly clock: Clock; readonly random: Random; readonly front: HttpFront };

/** A proxy that listens, or tries to. */
export type Listening = {
  /** Where it listens; undefined: it never will. */
  readonly listening: Promise<Address | undefined>;
  /** Tries no more. */
  stop(): void;
};

/** Begins to listen; `onTrouble` hears why it cannot, each time there is another cause. */
export function listen(
  deps: ListenDeps,
  run: Pick<RunFile, "listen" | "proxy">,
  onTrouble: (reason: string) => void,
): Listening {
  const { clock, random, front } = deps;
  const { listen: address } = run;
  const { proxyCount = 1, isFirst = true } = run.proxy ?? {};
  const isShared = proxyCount > 1;
  const { promise: listening, resolve } = Promise.withResolvers<Address | undefined>();
  let timer: Timer | undefined;
  let isStopped = false;
  let attempt = 0;
  let told = "";
  const tryOnce = async (): Promise<void> => {
    try {
      if (isFirst && isShared && address.port !== 0) await assertFree(address);
      resolve(await front.listen({ address, isShared }));
    } catch (error) {
      if (isStopped) return;
      const reason = listenReason(address, error as NodeJS.ErrnoException);
      if (reason !== told) onTrouble((told = reason));
      if (isFirst) resolve(undefined);
      else timer = clock.after(backoff(attempt++, PROXY_BACKOFF, random), () => void tryOnce());
    }
  };
  void tryOnce();
  return {
    listening,
    stop() {
      isStopped = true;
      timer?.cancel();
      resolve(undefined);
    },
  };
}

/** Rejects where anybody listens, also one who would share. */
function assertFree({ host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen({ host, port }, () => server.close(() => resolve()));
  });
}

function listenReason({ host, port }: Address, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use: stop what listens there, or choose another with --http-port`;
    case "EACCES":
      return `port ${port} on ${host} may not be used by this user: choose one above 1023 with --http-port`;
    case "EADDRNOTAVAIL":
      return `${host} is no address of this machine: choose one with --http-host`;
    default:
      return `cannot listen on ${host}:${port}: ${error.message}`;
  }
}
