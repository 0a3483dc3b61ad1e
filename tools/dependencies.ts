/** Checks the import rules of .dependency-cruiser.js over every source file there is, and says how many those were. */
import { cruise, type ICruiseResult } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";
import { root, SHIPPED, typescriptFiles, UNSHIPPED } from "./tree.ts";

process.chdir(root);
const files = typescriptFiles([...SHIPPED, ...UNSHIPPED]);
const options = await extractDepcruiseOptions("./.dependency-cruiser.js");
const { output } = await cruise(files, options, undefined, { tsConfig: extractTSConfig("./tsconfig.json") });
const { modules, summary } = output as ICruiseResult;

const seen = new Set(modules.map(({ source }) => source));
const unseen = files.filter((file) => !seen.has(file));
for (const { rule, from, to, cycle, via } of summary.violations) {
  const way = (cycle ?? via ?? []).map(({ name }) => name).join(" → ");
  const { comment } = summary.ruleSetUsed?.forbidden?.find(({ name }) => name === rule.name) ?? {};
  console.error(`${from} → ${way === "" ? to : way}\n  ${rule.name}: ${comment ?? ""}`);
}
if (unseen.length > 0) console.error(`not seen by dependency-cruiser, so not checked: ${unseen.join(", ")}`);
console.log(
  `imports: ${files.length} source files, ${modules.length} modules, ${summary.violations.length} violations`,
);
process.exit(summary.violations.length + unseen.length === 0 ? 0 : 1);
