import { posix } from "node:path";
import { relativeImports } from "./core-importers.ts";
import type { Rule } from "./source-tree.ts";

/** An example is a user's project: copied out of the repository, it still works. */
export const exampleImports: Rule = {
  name: "example-imports",
  check(tree) {
    const examples = tree.paths.filter((path) => path.startsWith("examples/"));
    return examples.flatMap((path) => {
      const own = path.split("/").slice(0, 2).join("/");
      const outside = relativeImports(tree.parse(path)).filter(
        (target) => !posix.join(posix.dirname(path), target).startsWith(`${own}/`),
      );
      return outside.map((target) => {
        return {
          path,
          line: 1,
          message: `"${target}" leaves ${own}: an example imports its own files and packages only`,
        };
      });
    });
  },
};
