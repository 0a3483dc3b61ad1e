import type { RouteEntry } from "../core/table.ts";

/**
 * The OpenAPI document of a route as clients need it: its paths are below the route's prefix, and the document says so.
 * Undefined when the route has none.
 */
export function openapiText(route: RouteEntry): string | undefined {
  if (route.openapi === "") return undefined;
  const document: unknown = JSON.parse(route.openapi);
  if (typeof document !== "object" || document === null) return undefined;
  return JSON.stringify({ servers: [{ url: route.prefix }], ...document });
}

/** A page that shows what an application takes and gives, and tries it out. It loads nothing from anywhere else. */
export function docsPage(route: RouteEntry): string {
  const title = escapeHtml(`${route.application} at ${route.prefix}`);
  return PAGE.replaceAll("{title}", () => title);
}

/** Forbids the page everything but its own inline script and style, and the server it came from. */
export const DOCS_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
  textarea { width: 100%; height: 10rem; font: 13px monospace; box-sizing: border-box }
  pre { padding: .8rem; overflow: auto; border: 1px solid #8886; border-radius: 4px; font-size: 13px }
  button { padding: .3rem 1rem }
</style>
<h1>{title}</h1>
<p id="about"></p>
<h2>Try it</h2>
<p><textarea id="body" aria-label="Request body">{}</textarea></p>
<p><button id="send">Send</button> <span id="status"></span></p>
<pre id="answer" hidden></pre>
<h2>Description</h2>
<p><a href="openapi.json">openapi.json</a></p>
<pre id="document">…</pre>
<script>
  const at = (id) => document.getElementById(id);
  const prefix = location.pathname.replace(/\\/docs$/, "") || "/";
  fetch("openapi.json").then((answer) => answer.json()).then((openapi) => {
    at("document").textContent = JSON.stringify(openapi, null, 2);
    at("about").textContent = openapi.info?.description ?? "";
  });
  at("send").onclick = async () => {
    at("status").textContent = "…";
    const started = performance.now();
    const headers = { "content-type": "application/json" };
    try {
      const answer = await fetch(prefix, { method: "POST", headers, body: at("body").value });
      const text = await answer.text();
      at("status").textContent = answer.status + " in " + Math.round(performance.now() - started) + " ms";
      at("answer").hidden = false;
      try { at("answer").textContent = JSON.stringify(JSON.parse(text), null, 2); } catch { at("answer").textContent = text; }
    } catch (error) { at("status").textContent = String(error); }
  };
</script>
</html>
`;
