import type { Problem, Rule } from "./source-tree.ts";

const SAYS_NOTHING = new Set([
  "utils",
  "util",
  "helpers",
  "helper",
  "common",
  "misc",
  "manager",
  "base",
  "types",
  "shared",
]);
const BARRELS = new Set(["sdk/index.ts", "sdk/testing/index.ts"]);

/** A file is named after what it holds, so that a reader finds it without opening others. */
export const fileNames: Rule = {
  name: "file-names",
  check(tree) {
    return tree.paths.flatMap((path): Problem[] => {
      const parts = path.replace(/(\.test)?\.ts$/, "").split("/");
      const vague = parts.find((part) => SAYS_NOTHING.has(part));
      if (vague !== undefined) {
        return [{ path, line: 1, message: `"${vague}" says nothing: name it after what it holds` }];
      }
      const odd = parts.find((part) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part));
      if (odd !== undefined) return [{ path, line: 1, message: `"${odd}" is not kebab-case, as all names are` }];
      if (parts.at(-1) === "index" && !BARRELS.has(path) && !path.startsWith("examples/")) {
        return [{ path, line: 1, message: "a barrel hides who imports what: import the file itself" }];
      }
      return [];
    });
  },
};
