import { deployment, type ServerWebSocket } from "thornback";

/** `/echo` sends back what it gets; `/rooms/NAME` passes every message on to all who are in that room. */
class Rooms {
  readonly #rooms = new Map<string, Set<ServerWebSocket>>();

  async websocket(socket: ServerWebSocket, request: Request): Promise<void> {
    const { pathname } = new URL(request.url);
    const [, name] = /^\/rooms\/([\w-]{1,32})$/.exec(pathname) ?? [];
    if (pathname === "/echo") await this.#echo(socket);
    else if (name !== undefined) await this.#join(socket, name);
    else socket.close(4004, "there is /echo and /rooms/NAME");
  }

  async #echo(socket: ServerWebSocket): Promise<void> {
    for await (const message of socket) await socket.send(message);
  }

  async #join(socket: ServerWebSocket, name: string): Promise<void> {
    const members = this.#rooms.get(name) ?? new Set();
    this.#rooms.set(name, members.add(socket));
    this.#tell(members, { joined: true, members: members.size });
    try {
      for await (const message of socket) if (typeof message === "string") this.#tell(members, { message });
    } finally {
      members.delete(socket);
      if (members.size === 0) this.#rooms.delete(name);
      this.#tell(members, { joined: false, members: members.size });
    }
  }

  /** Not awaited: one member who reads slowly should not hold up the others. */
  #tell(members: ReadonlySet<ServerWebSocket>, event: unknown): void {
    for (const member of members) void member.send(JSON.stringify(event));
  }
}

// One replica, because the rooms are in its memory. Every open connection is an ongoing request.
export default deployment(Rooms, { numReplicas: 1, maxOngoingRequests: 1_000 }).bind();
