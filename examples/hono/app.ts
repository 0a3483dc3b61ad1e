import { Hono } from "hono";
import { deployment, requestContext } from "thornback";

const app = new Hono();

app.get("/hello/:name", (context) => context.json({ greeting: `Hello, ${context.req.param("name")}!` }));
app.post("/echo", async (context) => context.json({ echo: await context.req.json() }));
app.get("/whoami", (context) => {
  const { application, deployment: name, requestId } = requestContext();
  return context.json({ application, deployment: name, requestId });
});
app.notFound((context) => context.text("no such page", 404));

class Api {
  fetch = app.fetch;
}

export default deployment(Api).bind();
