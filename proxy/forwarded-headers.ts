/**
 * What a replica hears of where a request came from: `x-forwarded-for`, `x-forwarded-proto` and `x-forwarded-host`.
 *
 * From a peer that is not a trusted proxy they say what this proxy itself saw, whatever the request claimed. From a trusted
 * one they are kept and extended, but for what stands left of the client in `x-forwarded-for`: the client is the
 * right-most address that is no trusted proxy, and what it wrote before itself proves nothing. So the first address in
 * `x-forwarded-for` is always the client's, as most code reads it.
 */
import { BlockList, isIP } from "node:net";

/** Addresses whose trust is remembered; then the memory begins anew. */
const MOST_REMEMBERED = 1_024;

/** Writes the headers that say where a request came from. */
export class ForwardedHeaders {
  readonly #trusted: BlockList | undefined;
  readonly #isTrusted = new Map<string, boolean>();

  /** `trusted`: networks (`10.0.0.0/8`) and addresses, IPv4 and IPv6, checked already. */
  constructor(trusted: readonly string[]) {
    if (trusted.length > 0) this.#trusted = blockListOf(trusted);
  }

  /**
   * Puts them into a request's headers (lower-case names and values by turns). What only this proxy may say
   * (`x-thornback-key`) is taken out, whoever sent it.
   */
  apply(headers: string[], remoteAddress: string): void {
    const peer = remoteAddress.startsWith("::ffff:") ? remoteAddress.slice(7) : remoteAddress;
    const claimed = takeClaims(headers);
    if (this.#trusted === undefined || !this.#isTrustedAddress(peer)) {
      headers.push("x-forwarded-for", peer, "x-forwarded-proto", "http");
      if (claimed.ownHost !== "") headers.push("x-forwarded-host", claimed.ownHost);
      return;
    }
    const chain = claimed.chain === "" ? peer : this.#fromClient(claimed.chain, peer);
    headers.push("x-forwarded-for", chain, "x-forwarded-proto", claimed.proto === "" ? "http" : claimed.proto);
    const host = claimed.host === "" ? claimed.ownHost : claimed.host;
    if (host !== "") headers.push("x-forwarded-host", host);
    if (claimed.forwarded !== "") headers.push("forwarded", `${claimed.forwarded}, for=${quoted(peer)}`);
    if (claimed.port !== "") headers.push("x-forwarded-port", claimed.port);
    if (claimed.realAddress !== "") headers.push("x-real-ip", claimed.realAddress);
  }

  /** The addresses from the client to the peer. */
  #fromClient(chain: string, peer: string): string {
    const hops = chain
      .split(",")
      .map((hop) => hop.trim())
      .filter((hop) => hop !== "");
    let first = hops.length - 1;
    while (first > 0 && this.#isTrustedAddress(hops[first] ?? "")) first--;
    return [...hops.slice(Math.max(0, first)), peer].join(", ");
  }

  #isTrustedAddress(text: string): boolean {
    const known = this.#isTrusted.get(text);
    if (known !== undefined) return known;
    const address = bareAddress(text);
    const family = isIP(address);
    const isTrusted = family !== 0 && this.#trusted?.check(address, family === 6 ? "ipv6" : "ipv4") === true;
    if (this.#isTrusted.size >= MOST_REMEMBERED) this.#isTrusted.clear();
    this.#isTrusted.set(text, isTrusted);
    return isTrusted;
  }
}

/** What a request says of where it came from; empty: nothing. */
type Claims = {
  chain: string;
  proto: string;
  host: string;
  port: string;
  forwarded: string;
  realAddress: string;
  ownHost: string;
};

/** Takes them out, in place, but for `host`, which stays. Nothing is moved before the first that goes. */
function takeClaims(headers: string[]): Claims {
  const claims: Claims = { chain: "", proto: "", host: "", port: "", forwarded: "", realAddress: "", ownHost: "" };
  let end = 0;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (isClaim(name, value, claims)) continue;
    if (end !== at) {
      headers[end] = name;
      headers[end + 1] = value;
    }
    end += 2;
  }
  if (end !== headers.length) headers.length = end;
  return claims;
}

const [F, H, X] = [102, 104, 120];

function isClaim(name: string, value: string, claims: Claims): boolean {
  // First letters first: most headers are none of these, and this runs for every header of every request.
  const letter = name.charCodeAt(0);
  if (letter !== X && letter !== F && letter !== H) return false;
  switch (name) {
    case "host":
      claims.ownHost = value;
      return false;
    case "x-forwarded-for":
      claims.chain = joined(claims.chain, value);
      return true;
    case "forwarded":
      claims.forwarded = joined(claims.forwarded, value);
      return true;
    // The last is the nearest proxy's.
    case "x-forwarded-proto":
      claims.proto = value;
      return true;
    case "x-forwarded-host":
      claims.host = value;
      return true;
    case "x-forwarded-port":
      claims.port = value;
      return true;
    // Not ours, but frameworks believe it as much as the others.
    case "x-real-ip":
      claims.realAddress = value;
      return true;
    default:
      return name === "x-thornback-key";
  }
}

function joined(before: string, value: string): string {
  return before === "" ? value : `${before}, ${value}`;
}

/** An address without its port, brackets and zone: `[2001:db8::1]:80` and `fe80::1%eth0` are seen, `1.2.3.4:80` too. */
function bareAddress(text: string): string {
  const inner = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const zone = inner.indexOf("%");
  const address = zone < 0 ? inner : inner.slice(0, zone);
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** An address as `Forwarded` writes it (RFC 7239 §6). */
function quoted(address: string): string {
  return address.includes(":") ? `"[${address}]"` : address;
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
