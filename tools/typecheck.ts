/**
 * What `tsc -p .` reports, also for the programs in documentation, and with the same types at hand what the linter would
 * need a type checker of its own for: promises that nobody awaits, whose failures would end in silence or end the
 * process.
 */
import { relative } from "node:path";
import ts from "typescript";
import { docExamples } from "./doc-examples.ts";
import { findFloatingPromises } from "./typecheck/floating-promises.ts";
import { root } from "./tree.ts";

const config = ts.getParsedCommandLineOfConfigFile(
  `${root}tsconfig.json`,
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic(diagnostic) {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
    },
  },
);
if (config === undefined) throw new Error("tsconfig.json cannot be read");

// An example is checked as a file of its own beside the one it stands in; its blank lines keep the line numbers.
const examples = new Map(
  docExamples().map(({ path, line, code }) => [`${root}${path}@${line}.ts`, `${"\n".repeat(line - 1)}${code}`]),
);
const compilerHost = ts.createCompilerHost(config.options);
const { fileExists, readFile } = compilerHost;
compilerHost.fileExists = (name) => examples.has(name) || fileExists(name);
compilerHost.readFile = (name) => examples.get(name) ?? readFile(name);

const program = ts.createProgram([...config.fileNames, ...examples.keys()], config.options, compilerHost);
// What an example declares is for its reader to use.
const UNUSED = new Set([6133, 6192, 6196, 6198]);
const reported = [...config.errors, ...ts.getPreEmitDiagnostics(program)];
const diagnostics = reported.filter(({ file, code }) => !(examples.has(file?.fileName ?? "") && UNUSED.has(code)));
const host: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => root,
  getNewLine: () => "\n",
};
const format = process.stdout.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics;
if (diagnostics.length > 0) console.log(format(diagnostics, host));

const own = program
  .getSourceFiles()
  .filter((file) => !file.isDeclarationFile && !file.fileName.includes("node_modules"));
const floating = own.flatMap((file) => findFloatingPromises(file, program.getTypeChecker()));
for (const { fileName, line, text } of floating) {
  const where = `${relative(root, fileName)}:${line}`;
  console.log(
    `${where}: nobody awaits this promise; await it, return it, or write \`void\` if it cannot reject: ${text}`,
  );
}
console.log(
  `typecheck: ${own.length} files (${examples.size} in documentation), ${diagnostics.length} errors, ${floating.length} floating promises`,
);
process.exit(diagnostics.length + floating.length === 0 ? 0 : 1);
