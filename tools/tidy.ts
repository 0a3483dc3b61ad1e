/**
 * Checks what no linter knows. Each rule is a pure function over the repository's texts, so it has a test of its own;
 * its message says why the rule is there and what to do. A line may be excused by a comment on it or just above it:
 * `tidy-allow <rule>: <reason>`.
 */
import { RULES } from "./tidy/rules.ts";
import { readTree } from "./tidy/source-tree.ts";

const tree = readTree();
const problems = RULES.flatMap((rule) => rule.check(tree).map((problem) => ({ ...problem, rule: rule.name })));
const standing = problems.filter(({ path, line, rule }) => !tree.isAllowed(path, line, rule));
for (const { path, line, rule, message } of standing) console.error(`${path}:${line}: ${rule}: ${message}`);
console.log(
  `tidy: ${tree.paths.length} sources, ${tree.documents.length} documents, ${RULES.length} rules, ${standing.length} problems`,
);
process.exit(standing.length === 0 ? 0 : 1);
