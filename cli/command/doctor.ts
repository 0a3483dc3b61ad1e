import { diagnose, type Finding } from "../diagnosis.ts";
import { CliError, EXIT } from "../exit-code.ts";
import type { Printer } from "../print.ts";
import { type ClusterFlags, clusterOptions } from "../settings.ts";
import type { CommandContext, JsonFlag } from "./context.ts";

/** `serve doctor`: what this machine can do and what is wrong with it; fails when serving cannot work. */
export async function doctor(context: CommandContext, flags: ClusterFlags & JsonFlag): Promise<void> {
  const { print, env } = context;
  const { dataDir, controller, worker } = clusterOptions(flags, env);
  const ports = [{ flag: "--http-port", address: worker.http }];
  if (controller !== undefined) {
    ports.push({ flag: "--admin-port", address: controller.admin }, { flag: "--grpc-port", address: controller.grpc });
  }
  const findings = await diagnose({ projectDir: process.cwd(), dataDir, ports });
  if (flags.json === true) print.json({ findings });
  else for (const finding of findings) print.line(formatFinding(finding, print));
  const bad = findings.filter((finding) => finding.state === "bad").map((finding) => finding.name);
  if (bad.length > 0 && flags.json !== true)
    throw new CliError(EXIT.failed, `serving does not work here: ${bad.join(", ")}`);
  if (bad.length > 0) process.exitCode = EXIT.failed;
}

function formatFinding(finding: Finding, print: Printer): string {
  const mark = {
    fine: print.style("green", "ok  "),
    remark: print.style("yellow", "note"),
    bad: print.style("red", "bad "),
  };
  const next = finding.next === "" ? "" : `\n      ${finding.next}`;
  return `${mark[finding.state]}  ${finding.name}: ${finding.detail}${next}`;
}
