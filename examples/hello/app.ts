import { deployment } from "thornback";

class Hello {
  predict(input: { name?: string }) {
    return { greeting: `Hello, ${input.name ?? "world"}!` };
  }
}

export default deployment(Hello).bind();
