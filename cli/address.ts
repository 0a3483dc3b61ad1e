import { networkInterfaces } from "node:os";
import type { Address } from "../core/network.ts";
import { CliError, EXIT } from "./exit-code.ts";

const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** Whether only this machine can reach what listens on the host. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Whether listening on the host means every interface, so that it is no address to connect to. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** `HOST:PORT` or `[V6]:PORT`. */
export function formatAddress(address: Address): string {
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${String(address.port)}`;
}

/** The URL at which this machine reaches what listens at the address. */
export function localUrl(address: Address): string {
  return `http://${formatAddress(reachable(address))}`;
}

/** The address with a wildcard host replaced by loopback. */
export function reachable(address: Address): Address {
  return isWildcard(address.host) ? { host: "127.0.0.1", port: address.port } : address;
}

/** Parses `HOST:PORT`. @throws {CliError} when it is not one. */
export function parseAddress(text: string, flag: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) {
    throw new CliError(EXIT.usage, `${flag} "${text}" is not HOST:PORT`, `for example ${flag} 10.0.0.1:8266`);
  }
  return { host, port };
}

/** Parses the URL of an admin port; `http://` may be left out. @throws {CliError} when it is not one. */
export function parseAdminUrl(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(
      EXIT.usage,
      `--address "${text}" is not the URL of an admin port`,
      "for example http://127.0.0.1:8265",
    );
  }
  return url.origin;
}

/** The host by which other nodes can reach this machine: its first interface that is not loopback. */
export function outwardHost(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === "IPv4") return address.address;
    }
  }
  return "127.0.0.1";
}

/** The address with a wildcard host replaced by the one that other nodes can reach. */
export function outwardAddress(address: Address): Address {
  return isWildcard(address.host) ? { host: outwardHost(), port: address.port } : address;
}
