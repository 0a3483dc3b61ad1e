import Fastify from "fastify";
import { deployment, fromNode } from "thornback";

const app = Fastify();

app.get("/hello/:name", (request) => {
  const { name } = request.params as { name: string };
  return { greeting: `Hello, ${name}!` };
});

const area = {
  body: {
    type: "object",
    required: ["width", "height"],
    properties: { width: { type: "number" }, height: { type: "number" } },
  },
};
app.post("/area", { schema: area }, (request) => {
  const { width, height } = request.body as { width: number; height: number };
  return { area: width * height };
});

await app.ready();

export default deployment(
  fromNode((request, response) => app.routing(request, response)),
  { name: "Api" },
).bind();
