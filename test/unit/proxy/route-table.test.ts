import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApplicationName } from "../../../core/ids.ts";
import { createMetrics } from "../../../core/metric-registry.ts";
import { metricText } from "../../../core/metric-text.ts";
import { applyUpdate } from "../../../core/table-state.ts";
import { HttpMetrics } from "../../../proxy/http-metrics.ts";
import { RouteTable } from "../../../proxy/route-table.ts";
import { viewOf } from "../../../routing/routing-table.ts";
import { deploymentEntry, routeEntry, snapshot } from "../../fake/table.ts";

const metrics = createMetrics();
const other = "other" as ApplicationName;
const entries = [routeEntry("/a"), routeEntry("/a/b", { application: other }), deploymentEntry()];
const table = applyUpdate(undefined, snapshot(1, entries));
if (table === "gap") throw new Error("no table");
const routes = new RouteTable(viewOf(table), new HttpMetrics(metrics));

test("a target finds its route, the deployment behind it, and where it is counted", () => {
  const { route, path } = routes.find("/a/b/c?d");
  assert.deepEqual([route.entry.application, route.deployment.id, path], ["other", "app/Model", "/c?d"]);
  route.series.count(200, 0.001);
  assert.match(metricText(metrics.samples()), /requests_total\{application="other",status="200"\} 1/);
});

test("a target without a route is not found, one that may not be served is refused with the reason", () => {
  assert.throws(() => routes.find("/b"), { code: "route_not_found" });
  assert.throws(() => routes.find("/a/%2e%2e/b"), { code: "invalid_request", message: /segment that is/ });
});

test("a WebSocket is counted while it is open, and as a request when it ends, without its time", () => {
  const { series } = routes.find("/a").route;
  series.socketOpened();
  assert.match(metricText(metrics.samples()), /thornback_http_websockets\{application="app"\} 1/);
  series.socketEnded(3_600);
  const text = metricText(metrics.samples());
  assert.match(text, /thornback_http_websockets\{application="app"\} 0/);
  assert.match(text, /requests_total\{application="app",status="101"\} 1/);
  assert.match(text, /request_seconds_count\{application="app"\} 0/);
});
