import { classSize } from "./class-size.ts";
import { coreImporters } from "./core-importers.ts";
import { docLinks } from "./doc-links.ts";
import { exampleImports } from "./example-imports.ts";
import { exportDocs } from "./export-docs.ts";
import { fileNames } from "./file-names.ts";
import { mirroredTests } from "./mirrored-tests.ts";
import type { Rule } from "./source-tree.ts";
import { suppressions } from "./suppressions.ts";
import { testWaits } from "./test-waits.ts";
import { words } from "./words.ts";

/** Every rule there is, in the order their findings are printed. */
export const RULES: readonly Rule[] = [
  fileNames,
  words,
  mirroredTests,
  coreImporters,
  exportDocs,
  classSize,
  testWaits,
  exampleImports,
  suppressions,
  docLinks,
];
