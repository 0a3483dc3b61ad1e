/**
 * The command tree. A command's file is loaded when it is called, so that `serve run` starts its cluster before anything
 * else is read from disk. Every flag with a value is also `THORNBACK_…` in the environment.
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { type Clock, systemClock } from "../core/clock.ts";
import { DEFAULT_HTTP_FRONT, HTTP_FRONTS } from "../core/process-config.ts";
import { systemRandom } from "../core/random.ts";
import type { CommandContext } from "./command/context.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { packageVersion } from "./package-version.ts";
import { Printer } from "./print.ts";

/** The machine's clock, whose timers keep the process alive: a command that waits is not done. */
const commandClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Runs a command line (without `node` and the program's name) and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const print = new Printer(process.stdout, process.stderr, process.env);
  // A reader that went away (`serve logs | head`) is no failure of ours.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe);
  const context: CommandContext = { clock: commandClock, random: systemRandom, print, env: process.env, onInterrupt };
  try {
    await commandTree(context).parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    const failure = CliError.from(error);
    const { message, next, exitCode } = failure;
    if (argv.includes("--json")) print.line(JSON.stringify({ error: { message, next, exitCode } }));
    else print.error(failure);
    process.exitCode = failure.exitCode;
  }
}

function commandTree(context: CommandContext): Command {
  const program = new Command("thornback")
    .description("Serves models written in TypeScript. Also installed as `serve`.")
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError("(--help lists commands and flags)")
    .configureHelp({ showGlobalOptions: true });
  addClusterCommands(program, context);
  addClientCommands(program, context);
  addProjectCommands(program, context);
  return program;
}

function addClusterCommands(program: Command, context: CommandContext): void {
  const run = program.command("run <file>").description("serve app.ts (or serve.yaml) on this machine until Ctrl-C");
  for (const option of [...clusterOptions(), ...deployOptions()]) run.addOption(option);
  run
    .addOption(new Option("--reload", "deploy again whenever a source changes"))
    .addOption(new Option("--inspect", "open the inspector of the first replica (127.0.0.1:9229)"))
    .addOption(jsonOption())
    .action(async (file: string, flags) => (await import("./command/run.ts")).run(context, file, flags));

  const deploy = program
    .command("deploy <file>")
    .description("deploy app.ts (or serve.yaml) and wait until it is healthy");
  for (const option of [addressOption(), ...clusterOptions(), ...deployOptions()]) deploy.addOption(option);
  deploy
    .addOption(new Option("--local", "start a local head when nothing answers, also where CI is set"))
    .addOption(new Option("--no-wait", "return once the controller has accepted it"))
    .addOption(new Option("--plan", "only say what would change"))
    .addOption(jsonOption())
    .action(async (file: string, flags) => (await import("./command/deploy.ts")).deploy(context, file, flags));

  const start = program.command("start").description("run a head, or with --join a worker node");
  for (const option of clusterOptions()) start.addOption(option);
  start
    .addOption(flag("--join <HOST:GRPC_PORT>", "join the head whose control port this is"))
    .addOption(new Option("--detach", "return once it runs, and leave it in the background"))
    .addOption(jsonOption())
    .action(async (flags) => (await import("./command/start.ts")).start(context, flags));
}

function addClientCommands(program: Command, context: CommandContext): void {
  client(program.command("status"))
    .description("applications, deployments, replicas and nodes, with reasons")
    .addOption(jsonOption())
    .action(async (flags) => (await import("./command/status.ts")).status(context, flags));
  client(program.command("explain <deployment>"))
    .description("why a deployment (NAME, or APPLICATION/NAME) is as it is")
    .addOption(jsonOption())
    .action(async (name: string, flags) => (await import("./command/explain.ts")).explain(context, name, flags));
  client(program.command("logs [deployment]"))
    .description("what replicas printed: of one deployment, one application, or all")
    .addOption(new Option("-f, --follow", "go on with what is printed from now on"))
    .addOption(flag("-n, --lines <N>", "newest lines of each replica").default("100"))
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags) =>
      (await import("./command/logs.ts")).logs(context, name ?? "", flags),
    );
  client(program.command("scale <deployment> <replicas>"))
    .description("how many replicas a deployment (NAME, or APPLICATION/NAME) is to have")
    .addOption(jsonOption())
    .action(async (deployment: string, replicas: string, flags) =>
      (await import("./command/scale.ts")).scale(context, { deployment, replicas }, flags),
    );
  client(program.command("rollback <application>"))
    .description("deploy the version that served before again, or another that is kept")
    .addOption(flag("--to <VERSION>", "the version, or its first 6 characters or more"))
    .addOption(new Option("--no-wait", "return once the controller has accepted it"))
    .addOption(jsonOption())
    .action(async (name: string, flags) => (await import("./command/rollback.ts")).rollback(context, name, flags));
  client(program.command("rollout"))
    .addArgument(new Argument("<action>", "what to do").choices(["pause", "resume", "promote", "abort"]))
    .argument("<application>")
    .description("pause or resume what is being rolled out, give it everything, or take everything from it")
    .action(async (action: "pause" | "resume" | "promote" | "abort", application: string, flags) =>
      (await import("./command/rollout.ts")).rollout(context, { action, application }, flags),
    );
  addNodeCommands(program, context);
  client(program.command("delete <application>"))
    .description("drain an application and forget it")
    .addOption(new Option("--no-wait", "return once the controller has accepted it"))
    .action(async (name: string, flags) =>
      (await import("./command/delete.ts")).deleteApplication(context, name, flags),
    );
  client(program.command("shutdown"))
    .description("drain everything and end the whole cluster")
    .addOption(dataDirOption())
    .action(async (flags) => (await import("./command/shutdown.ts")).shutdown(context, flags));
}

function addNodeCommands(program: Command, context: CommandContext): void {
  const nodes = client(program.command("nodes"))
    .description("nodes, what runs on them and what is free")
    .addOption(jsonOption())
    .action(async (flags) => (await import("./command/nodes.ts")).nodes(context, flags));
  client(nodes.command("drain <node>"))
    .description("replace what runs on a node elsewhere, then empty it")
    .addOption(flag("--deadline <TIME>", "empty by then, replaced or not (120s)"))
    .addOption(new Option("--no-wait", "return once the controller has accepted it"))
    .addOption(jsonOption())
    // `nodes` has some of the same options, and takes them from its own commands' lines.
    .action(async (node: string, _: unknown, command: Command) =>
      (await import("./command/nodes.ts")).drainNode(context, node, command.optsWithGlobals()),
    );
  client(nodes.command("undrain <node>"))
    .description("use a node again")
    .action(async (node: string, _: unknown, command: Command) =>
      (await import("./command/nodes.ts")).undrainNode(context, node, command.optsWithGlobals()),
    );
}

function addProjectCommands(program: Command, context: CommandContext): void {
  const bench = program.command("bench <url>").description("load a URL, and say what became of every request");
  for (const option of benchOptions()) bench.addOption(option);
  bench
    .addOption(jsonOption())
    .action(async (url: string, flags) => (await import("./command/bench.ts")).bench(context, url, flags));
  program
    .command("init [folder]")
    .description("write a small project that runs")
    .action(async (folder: string | undefined) => (await import("./command/init.ts")).init(context, folder ?? "."));
  program
    .command("keys")
    .description("API keys of applications")
    .command("new <name>")
    .description("make a key; what is deployed is its digest")
    .addOption(jsonOption())
    .action(async (name: string, flags) => (await import("./command/keys.ts")).newKey(context, name, flags));
  const doctor = program.command("doctor").description("what this machine can do, and what is wrong with it");
  for (const option of clusterOptions()) doctor.addOption(option);
  doctor.addOption(jsonOption()).action(async (flags) => (await import("./command/doctor.ts")).doctor(context, flags));
}

function client(command: Command): Command {
  return command
    .addOption(addressOption())
    .addOption(flag("--admin-port <PORT>", "admin port on this machine (8265)"))
    .addOption(tokenOption());
}

function clusterOptions(): Option[] {
  return [
    flag("--http-port <PORT>", "requests (8000, or PORT); 0: any free one, for every port"),
    flag("--admin-port <PORT>", "admin REST (8265)"),
    flag("--grpc-port <PORT>", "control, for workers (8266)"),
    flag("--http-host <HOST>", "interface for requests (127.0.0.1)"),
    flag("--admin-host <HOST>", "interface for admin (127.0.0.1); any other needs --token-file"),
    flag("--grpc-host <HOST>", "interface for control and replicas (127.0.0.1); any other needs --token-file"),
    flag("--proxies <N>", "proxies of this node, all on one port (1)"),
    flag("--http-front <FRONT>", `what reads HTTP: ${HTTP_FRONTS.join(" or ")} (${DEFAULT_HTTP_FRONT})`),
    flag("--trusted-proxies <LIST>", "proxies in front whose x-forwarded headers are believed: 10.0.0.0/8,::1"),
    dataDirOption(),
    flag("--resources <LIST>", "what this node offers: cpus=4,gpus=2,memoryBytes=8e9,name=1"),
    flag("--labels <LIST>", "labels of this node for placement: zone=a,disk=fast"),
    tokenOption(),
    flag("--log-level <LEVEL>", "trace, debug, info, warn or error (info)"),
  ];
}

function deployOptions(): Option[] {
  return [
    flag("--name <NAME>", "name of the application"),
    flag("--route-prefix <PATH>", "URL path it answers under (/)"),
    new Option("--env <NAME=VALUE>", "value of a secret, or of ${NAME} in serve.yaml; any number of times").argParser(
      (pair: string, before: readonly string[] | undefined) => [...(before ?? []), pair],
    ),
    flag("--env-file <FILE>", "such values from a file"),
  ];
}

function benchOptions(): Option[] {
  return [
    flag("--rate <N>", "requests a second, whatever the answers; without it each connection waits for its answer"),
    new Option("--poisson", "with --rate: at random moments, as independent callers come"),
    flag("--duration <TIME>", "how long, such as 30s or 2m (10s)"),
    flag("--warm-up <TIME>", "before that, not counted (0s)"),
    flag("--connections <N>", "at most so many (16; with --rate 4096)"),
    flag("--method <METHOD>", "GET, or POST with a body"),
    flag("--body <TEXT>", "body of each request, as application/json unless a header says otherwise"),
    flag("--body-file <FILE>", "the same from a file; as application/octet-stream unless it ends in .json"),
    new Option("--header <NAME: VALUE>", "any number of times").argParser(
      (line: string, before: readonly string[] | undefined) => [...(before ?? []), line],
    ),
    flag("--timeout-ms <MS>", "a request without an answer by then has failed (10000)"),
  ];
}

/** A flag with a value; `THORNBACK_HTTP_PORT` stands for `--http-port`. */
function flag(words: string, description: string): Option {
  const option = new Option(words, description);
  return option.env(`THORNBACK_${(option.long ?? "").slice(2).toUpperCase().replaceAll("-", "_")}`);
}

const addressOption = (): Option => flag("--address <URL>", "admin URL of the cluster (http://127.0.0.1:8265)");
const tokenOption = (): Option => flag("--token-file <FILE>", "file that holds the cluster's token");
const dataDirOption = (): Option =>
  flag("--data-dir <FOLDER>", "everything that is kept (.thornback; run: .thornback/dev)");
const jsonOption = (): Option => new Option("--json", "print for a script");

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

function onInterrupt(callback: (signal: NodeJS.Signals) => void): () => void {
  const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, callback);
  return () => {
    for (const signal of signals) process.off(signal, callback);
  };
}
