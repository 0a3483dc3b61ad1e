import { ASK_FIGURES } from "./models.ts";

/** Asks a model of app.ts for what it has counted. */
export async function askFigures<T>(url: string): Promise<T> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(ASK_FIGURES) });
  if (response.status !== 200) throw new Error(`${url} answered ${String(response.status)}: ${await response.text()}`);
  return (await response.json()) as T;
}
