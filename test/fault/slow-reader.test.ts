/** A client that leaves its answer unread is cut off, and its replica hears of it at once and takes the next request. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { STREAM_WINDOW_BYTES } from "../../core/limits.ts";
import { BodyStream } from "../../proto/body.ts";
import { DEFAULT_FRONT_LIMITS, type FrontLimits } from "../../proxy/http-front.ts";
import { type HandleRequest, proxyBed } from "../fake/proxy-bed.ts";

/** In production 30 s. */
const LIMITS: FrontLimits = { ...DEFAULT_FRONT_LIMITS, readerStallMs: 300, sweepMs: 20 };
const PIECE = Buffer.alloc(STREAM_WINDOW_BYTES / 4);

for (const front of ["llhttp", "node"] as const) {
  describe(`a client of the ${front} front that does not read`, { timeout: 15_000 }, () => {
    it("is cut off when it has stalled for too long, which frees its replica's slot", async () => {
      let takenAt = 0;
      const freedAt = Promise.withResolvers<number>();
      const handle: HandleRequest = async (head, _body, cancellation) => {
        if (head.kind === "http" && head.path === "/next")
          return { status: 200, headers: [], body: [Buffer.from("next")] };
        const body: BodyStream = new BodyStream({
          onConsumed: () => {
            takenAt = performance.now();
            fill();
          },
          onCancel: () => {},
        });
        cancellation.onCancel((error) => {
          freedAt.resolve(performance.now());
          body.abort(error);
        });
        const fill = (): void => {
          while (!body.isSettled && body.outstandingBytes < STREAM_WINDOW_BYTES) body.write(PIECE);
        };
        fill();
        return { status: 200, headers: [], body };
      };
      const bed = await proxyBed(handle, { front, limits: LIMITS, maxOngoingRequests: 1 });
      try {
        const socket = connect(bed.address.port, "127.0.0.1").pause();
        socket.on("error", () => {});
        socket.write("GET /stall HTTP/1.1\r\nHost: x\r\n\r\n");
        await once(socket, "connect");
        // With one slot this waits until the one before it is free.
        const next = fetch(`${bed.url}/next`);
        const stalledMs = (await freedAt.promise) - takenAt;
        console.log(`freed ${(stalledMs - LIMITS.readerStallMs).toFixed(0)} ms after it had stalled for too long`);
        assert.ok(stalledMs >= LIMITS.readerStallMs - LIMITS.sweepMs, `cut off after ${stalledMs} ms`);
        assert.equal(await (await next).text(), "next");
        socket.destroy();
      } finally {
        await bed.close();
      }
    });
  });
}
