import { isIP } from "node:net";
import { MOST_TRUSTED_PROXIES } from "../core/limits.ts";
import { CliError, EXIT } from "./exit-code.ts";

/**
 * Parses `10.0.0.0/8,::1`: networks and addresses of the proxies in front, whose `x-forwarded-…` headers are believed.
 *
 * @throws {CliError} (64) when one is neither; 78 when it would believe everybody
 */
export function parseTrustedProxies(text: string): readonly string[] {
  const networks = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (networks.length > MOST_TRUSTED_PROXIES) {
    const message = `--trusted-proxies lists ${String(networks.length)}, more than ${String(MOST_TRUSTED_PROXIES)}`;
    throw new CliError(EXIT.usage, message, "list networks instead of addresses");
  }
  for (const network of networks) check(network);
  return networks;
}

function check(network: string): void {
  const [address = "", prefix = "", ...rest] = network.split("/");
  const bits = isIP(address) === 6 ? 128 : 32;
  const hasPrefix = network.includes("/");
  const isPrefix = /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
  if (isIP(address) === 0 || address.includes("%") || rest.length > 0 || (hasPrefix && !isPrefix)) {
    const message = `--trusted-proxies "${network}" is neither an address nor a network`;
    throw new CliError(EXIT.usage, message, "for example --trusted-proxies 10.0.0.0/8,::1");
  }
  if (hasPrefix && Number(prefix) === 0) {
    const message = `--trusted-proxies ${network} would let every client say which address it has`;
    throw new CliError(EXIT.refused, message, "name the addresses of the proxies in front");
  }
}
