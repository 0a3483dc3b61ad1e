/**
 * All that CI runs, in its order: what is cheap and fails most comes first. Every step is a script of package.json, so a
 * step that failed can be run again alone. Prints each step's time, because the whole must stay under twenty minutes.
 */
import { spawnSync } from "node:child_process";
import { root } from "./tree.ts";

const STEPS = [
  "typecheck",
  "lint",
  "docs:check",
  "build",
  "test",
  "sim:seeds",
  "sim:minute",
  "test:integration",
  "test:examples",
  "test:package",
] as const;
const MOST_MINUTES = 20;

const times: { readonly step: string; readonly seconds: number }[] = [];
for (const [index, step] of STEPS.entries()) {
  console.log(`\n── ${index + 1}/${STEPS.length} npm run ${step}`);
  const startedAt = performance.now();
  const { status, signal } = spawnSync("npm", ["run", "--silent", step], { cwd: root, stdio: "inherit" });
  times.push({ step, seconds: (performance.now() - startedAt) / 1000 });
  if (status !== 0) {
    console.error(`\nverify: ${step} failed (${signal ?? `exit code ${status}`}); run it again with: npm run ${step}`);
    process.exit(1);
  }
}

const total = times.reduce((sum, { seconds }) => sum + seconds, 0);
console.log("");
for (const { step, seconds } of times) console.log(`${step.padEnd(18)}${seconds.toFixed(1).padStart(7)} s`);
console.log(`${"verify".padEnd(18)}${total.toFixed(1).padStart(7)} s`);
if (total > MOST_MINUTES * 60) console.warn(`verify took more than ${MOST_MINUTES} minutes: find what grew`);
