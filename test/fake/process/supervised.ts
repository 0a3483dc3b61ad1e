/**
 * Stands in for `controller/main.ts` and `worker/main.ts` under a supervisor: holds the lifeline, says that it is ready
 * and does what `<dataDir>/<role>.behaviour` says: `ready` (also without the file), `failed`, `exit`, `deaf` (ignores
 * SIGTERM and the end of the lifeline). SIGUSR2 makes it ask for a shutdown. Appends what it was started with, and its end, to `<dataDir>/<role>.story`.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import type { Address } from "../../../core/network.ts";

type Config = {
  readonly dataDir: string;
  readonly lifelineSocket: string;
  readonly admin?: Address;
  readonly grpc?: Address;
  readonly http?: Address;
  readonly hasListened?: boolean;
};

const config = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Config;
const role = config.http === undefined ? "controller" : "worker";
const behaviourFile = path.join(config.dataDir, `${role}.behaviour`);
const behaviour = existsSync(behaviourFile) ? readFileSync(behaviourFile, "utf8") : "ready";

function tell(story: object): void {
  appendFileSync(path.join(config.dataDir, `${role}.story`), `${JSON.stringify({ pid: process.pid, ...story })}\n`);
}

tell({ event: "started", admin: config.admin, http: config.http, hasListened: config.hasListened });
if (behaviour === "exit") process.exit(3);

const socket = connect(config.lifelineSocket);
const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
say({ kind: "hello", role, pid: process.pid });
if (behaviour === "failed") {
  say({ kind: "failed", reason: `${role}: listen EADDRINUSE: address already in use 127.0.0.1:1` });
} else if (role === "controller") {
  const port = (asked: Address | undefined): number =>
    asked?.port === 0 ? 40_000 + (process.pid % 20_000) : (asked?.port ?? 0);
  say({
    kind: "controllerReady",
    admin: { host: "127.0.0.1", port: port(config.admin) },
    grpc: { host: "0.0.0.0", port: 7 },
  });
}
let text = "";
socket.setEncoding("utf8");
socket.on("data", (chunk: string) => {
  text += chunk;
  if (!text.includes("\n")) return;
  tell({ event: "heard", message: JSON.parse(text) as unknown });
  say({ kind: "proxyReady", address: { host: "127.0.0.1", port: 8 } });
});
socket.on("close", () => {
  tell({ event: "cut" });
  if (behaviour !== "deaf") process.exit(0);
  setInterval(() => undefined, 1_000);
});
process.on("SIGUSR2", () => say({ kind: "shutdown" }));
process.on("SIGTERM", () => {
  tell({ event: "asked to end" });
  if (behaviour !== "deaf") process.exit(0);
});
