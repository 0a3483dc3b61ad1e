// Who may import whom. The reasons stand in ARCHITECTURE.md; `node tools/dependencies.ts` runs these and asserts that
// every source file was seen, because a resolver that finds nothing would also find nothing wrong.

/** What each component may import of ours, beside itself. */
const MAY_IMPORT = {
  core: [],
  proto: ["core"],
  batching: ["core"],
  load: ["core"],
  session: ["core", "batching"],
  routing: ["core", "proto"],
  sdk: ["core", "batching", "session"],
  proxy: ["core", "proto", "routing"],
  controller: ["core", "proto"],
  worker: ["core", "proto", "batching", "routing", "session", "sdk"],
  cli: ["core", "sdk", "load"],
};
const SHIPPED = Object.keys(MAY_IMPORT);
const shipped = `^(${SHIPPED.join("|")})/`;

/** Wiring: the only places that may import across components. */
const COMPOSITION_ROOTS = ["^(controller|worker|proxy|cli)/main\\.ts$", "^worker/replica/main\\.ts$", "^sdk/testing/"];

/** Each npm package has one owner, so that a change of library is a change of one place. */
const OWNERS = {
  undici: "^proxy/llhttp/",
  ws: "^proxy/websocket\\.ts$",
  "@grpc/grpc-js": "^proto/",
  "@grpc/proto-loader": "^proto/",
  "onnxruntime-node": "^session/onnx-",
  esbuild: "^cli/",
  yaml: "^cli/",
  "@standard-schema/spec": "^sdk/",
  pino: "(^|/)main\\.ts$",
  commander: "^cli/(main\\.ts$|command/)",
};

/** I/O that core must not do, and that what runs in the simulation gets handed in. */
const EFFECTS = "^(node:)?(fs|fs/promises|net|http|https|http2|tls|dgram|dns|child_process|worker_threads|cluster)$";

/** A module of Node's own: the only names without an extension. */
const NODE_MODULE = "^[^.]+$";

const componentRules = Object.entries(MAY_IMPORT).map(([component, others]) => ({
  name: `${component}-imports`,
  comment: `${component} may import ${others.length === 0 ? "nothing of ours" : others.join(", ")}; what two components need is a word of core.`,
  severity: "error",
  from: { path: `^${component}/`, pathNot: COMPOSITION_ROOTS },
  to: { path: shipped, pathNot: `^(${[component, ...others].join("|")})/` },
}));

const ownerRules = Object.entries(OWNERS).map(([name, owner]) => ({
  name: `owner-of-${name.replaceAll("/", "-").replaceAll("@", "")}`,
  comment: `Only ${owner} may import ${name}.`,
  severity: "error",
  from: { path: shipped, pathNot: owner },
  to: { path: `node_modules/${name}/` },
}));

export default {
  forbidden: [
    ...componentRules,
    ...ownerRules,
    {
      name: "core-is-pure",
      comment: "core holds words and rules: no npm package and no I/O.",
      severity: "error",
      from: { path: "^core/" },
      to: { path: ["node_modules/", EFFECTS] },
    },
    {
      name: "sdk-index-is-light",
      comment: "Defining a deployment loads core and batching only: no gRPC, no model runtime.",
      severity: "error",
      from: { path: "^sdk/index\\.ts$" },
      to: {
        path: "^(?!core/|batching/|sdk/)",
        pathNot: [NODE_MODULE, "node_modules/@standard-schema/"],
        reachable: true,
      },
    },
    {
      name: "client-runs-in-browsers",
      comment: "thornback/client is bundled for browsers: nothing of Node's may be reachable from it.",
      severity: "error",
      from: { path: "^sdk/client\\.ts$" },
      to: { path: NODE_MODULE, reachable: true },
    },
    {
      name: "decisions-are-pure",
      comment: "A decision imports core and decisions of its own component: no effects, no Node, no logger, no clock.",
      severity: "error",
      from: { path: "^([a-z/]+)/decide/", pathNot: "^test/" },
      to: { pathNot: ["^core/(?!clock|log|network|metric-)", "^$1/decide/"] },
    },
    {
      name: "simulated-classes-reach-no-machine",
      comment: "These run in the simulation as they are: sockets, files and processes come with deps.",
      severity: "error",
      from: {
        path: "^(batching/|routing/|controller/(controller\\.ts|act/|state/cluster-state)|worker/(worker|controller-link|warm-pool)\\.ts|worker/replica/(replica|replica-server)\\.ts|proto/frame/)",
      },
      to: { path: EFFECTS },
    },
    {
      name: "nobody-imports-what-is-not-shipped",
      comment: "test, bench, examples and tools are not in the package.",
      severity: "error",
      from: { path: shipped },
      to: { path: "^(test|bench|examples|tools|sim)/" },
    },
    {
      name: "sim-stays-apart",
      comment: "The simulation imports what it simulates, not the tests that drive it.",
      severity: "error",
      from: { path: "^sim/" },
      to: { path: "^(test|bench|examples|tools)/" },
    },
    {
      name: "examples-use-the-published-name",
      comment: "An example is a user's project: it sees only what the package exports.",
      severity: "error",
      from: { path: "^examples/" },
      to: { path: "^(?!examples/|node_modules/|sdk/(index|onnx|client|testing/index)\\.ts$)", pathNot: NODE_MODULE },
    },
    {
      name: "no-cycle",
      comment: "A cycle makes two files one; type-only imports count.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-dev-dependency-shipped",
      comment: "What the package imports must be in its dependencies.",
      severity: "error",
      from: { path: shipped },
      to: {
        dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"],
        pathNot: "node_modules/(onnxruntime-node|@types/node)/",
      },
    },
    {
      name: "resolvable",
      comment: "An import that does not resolve is a typing error or a missing dependency.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|test/fixture/app)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      conditionNames: ["thornback-source", "import", "types", "node", "default", "require"],
      exportsFields: ["exports"],
      extensions: [".ts", ".js", ".mjs", ".d.ts", ".json"],
    },
  },
};
