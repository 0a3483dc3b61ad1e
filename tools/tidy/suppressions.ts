import type { Problem, Rule } from "./source-tree.ts";

/** A rule that is switched off without a reason is a rule that is off for ever. */
export const suppressions: Rule = {
  name: "suppressions",
  check(tree) {
    return tree.paths.flatMap((path) =>
      tree.lines(path).flatMap((text, index): Problem[] => {
        const isBare = /(oxlint|eslint)-disable/.test(text) && !/-disable.* -- \S+ \S+/.test(text);
        if (!isBare || path.includes("tidy")) return [];
        return [{ path, line: index + 1, message: "say why: `oxlint-disable-next-line rule -- the reason`" }];
      }),
    );
  },
};
