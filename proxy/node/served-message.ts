import { IncomingMessage } from "node:http";

/**
 * A request that says it is an upgrade only where it asks for a WebSocket, so that node:http serves all others as if they
 * had not asked. Node has an option for that since 24.9; this works before, too.
 */
export class ServedMessage extends IncomingMessage {
  /** What the parser said. Not a private field: node:http sets it while it makes the object. */
  declare private mayUpgrade: boolean;

  /** Whether it asked for an upgrade, and is served as if it had not. */
  get isUpgradeIgnored(): boolean {
    return this.mayUpgrade && !this.upgrade;
  }

  get upgrade(): boolean {
    return this.mayUpgrade && (this.method === "CONNECT" || isWebSocket(this));
  }

  set upgrade(mayUpgrade: boolean | null) {
    this.mayUpgrade = mayUpgrade === true;
  }
}

function isWebSocket({ method, httpVersionMinor, headers }: IncomingMessage): boolean {
  const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  return method === "GET" && httpVersionMinor === 1 && !hasBody && headers.upgrade?.toLowerCase() === "websocket";
}
