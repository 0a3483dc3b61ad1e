import { posix } from "node:path";
import { SHIPPED } from "../tree.ts";
import type { Problem, Rule } from "./source-tree.ts";

/** `controller/decide/place.ts`, as a document names a file of the repository. */
const FILE = new RegExp(`\`((?:${SHIPPED.join("|")}|sim|tools|docs|examples)/[\\w./-]*\\.(?:ts|md|proto|json))\``, "g");
const LINK = /\]\((?!https?:|#|mailto:)([^)#\s]+)/g;

/** A document that points to what is not there sends its reader away. */
export const docLinks: Rule = {
  name: "doc-links",
  check(tree) {
    return tree.documents.flatMap((path) => {
      const problems: Problem[] = [];
      let isCode = false;
      for (const [index, text] of tree.lines(path).entries()) {
        if (text.startsWith("```")) isCode = !isCode;
        if (isCode) continue;
        const linked = [...text.matchAll(LINK)].map(([, target]) => posix.join(posix.dirname(path), target ?? ""));
        const named = [...text.matchAll(FILE)].map(([, target]) => target ?? "");
        for (const target of [...linked, ...named].filter((each) => !tree.exists(each))) {
          problems.push({ path, line: index + 1, message: `${target} is not there (moved, renamed?)` });
        }
      }
      return problems;
    });
  },
};
