import type { AddressInfo, Server } from "node:net";
import type { Address } from "../core/network.ts";
import type { ListenOptions } from "./http-front.ts";

/** Connections that may wait to be accepted. */
const BACKLOG = 1_024;

/** Makes a front's server listen. Resolves with the real port; rejects with the cause, for instance EADDRINUSE. */
export function bindServer(server: Server, { address, isShared }: ListenOptions): Promise<Address> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      server.off("listening", onListening);
      reject(error);
    };
    const onListening = (): void => {
      server.off("error", onError);
      resolve({ host: address.host, port: (server.address() as AddressInfo).port });
    };
    server.once("error", onError).once("listening", onListening);
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG, reusePort: isShared });
  });
}
