/**
 * Every hard limit and default of the system, each with its unit in the name and its reason beside it. Options that
 * users set have their defaults here too, so that there is one place to look.
 */

// Requests.

/** Slots of a replica when its deployment has no `maxOngoingRequests` and no batch method. */
export const DEFAULT_MAX_ONGOING_REQUESTS = 16;
/** Requests that may wait in one router for one deployment; beyond it a 503 at once is kinder than a long wait. */
export const DEFAULT_MAX_QUEUED_REQUESTS = 1_000;
/** A request without a deadline of its own ends after a minute, as most HTTP clients and load balancers assume. */
export const DEFAULT_REQUEST_TIMEOUT_MS = 60_000;
/** Enough for an image or a tensor; larger inputs are a decision of the deployment's. */
export const DEFAULT_MAX_REQUEST_BODY_BYTES = 8 * 1024 * 1024;
/** No option may raise a body above this: it is gathered in memory, in the proxy and in the replica. */
export const MOST_REQUEST_BODY_BYTES = 1024 * 1024 * 1024;
/** Nesting a JSON body may have; deeper than this is an attack on recursive code, not data. */
export const MOST_JSON_DEPTH = 64;
/** Request line and headers together; Node's own default. */
export const MOST_HEADER_BYTES = 16 * 1024;
/** Headers of one request; beyond it Node would drop the rest in silence, so we refuse. */
export const MOST_HEADERS = 100;
/** Deepest chain of handle calls, so that deployments that call each other in a circle end. */
export const MOST_CALL_DEPTH = 32;
/** Nesting of the arguments and the result of a call between deployments; a deeper value is most likely a cycle. */
export const MOST_VALUE_DEPTH = 512;
/** Problems listed in one error; a thousand wrong pixels need not be listed one by one. */
export const MOST_PROBLEMS = 50;
/** Times one request may be handed to a replica, the first included; a replica that refuses it does not count. */
export const MOST_ATTEMPTS = 4;
/** Deployments that may stand in for one another in a row: each adds a hop, and a chain this long is a mistake. */
export const MOST_FALLBACKS = 4;
/** A router says so often in its log that its deployment's fallback answers; the metric counts each time. */
export const DEGRADED_LOG_MS = 1_000;
/** Priorities go from −10 to 10: enough classes of traffic, and a queue for each costs nothing. */
export const MOST_PRIORITY = 10;
/** Retries a router may make: this share of its requests, so that trouble is never multiplied by retrying. */
export const RETRY_BUDGET_SHARE = 0.2;
/** Retries that are allowed however few requests there were; the slots of one replica where those are more. */
export const RETRY_BUDGET_FLOOR = 10;
/** The time that a retry budget looks back. */
export const RETRY_BUDGET_SPAN_MS = 10_000;
/** The time over which a router measures how fast its queue drains; longer would be slow to see another replica. */
export const DRAIN_RATE_SPAN_MS = 10_000;
/** Requests that must have ended while others waited before a router predicts how long one will wait. */
export const LEAST_DRAIN_EVIDENCE = 20;
/** Longest `Retry-After` of a full queue. */
export const MOST_RETRY_AFTER_SECONDS = 60;
/** Failures in a row, of the replica and not of user code, after which a router leaves a replica out. */
export const EJECT_AFTER_FAILURES = 5;
/** How long a replica is left out before it is tried again, doubled each time it fails again. */
export const EJECTION_BACKOFF = { firstMs: 1_000, mostMs: 30_000 } as const;
/** A replica that was back for so long is left out as if for the first time. */
export const EJECTION_FORGOTTEN_MS = 60_000;
/** Answers a router must have had of a replica before it compares its run times with others'. */
export const LEAST_RUN_TIMES = 20;
/** Run times of a replica that a router keeps: the latest. */
export const RUN_TIMES_KEPT = 32;
/** A router compares its replicas' run times this often. */
export const RUN_TIME_CHECK_MS = 1_000;
/** Milliseconds a client has to send its request head; slower is a slowloris. */
export const HEADERS_TIMEOUT_MS = 4_000;
/** Milliseconds a client has to send its whole request. */
export const REQUEST_READ_TIMEOUT_MS = 30_000;
/** Milliseconds an idle keep-alive connection is kept: above the 60 s of common load balancers, so they close first. */
export const KEEP_ALIVE_MS = 65_000;

/** Milliseconds a client may leave an answer unread before its connection is cut. */
export const READER_STALL_MS = 30_000;
/** What a client may go on sending after its request was refused as too long; then its connection is cut. */
export const MOST_DISCARDED_BYTES = 16 * 1024 * 1024;

/** A request's body up to this is held whole until the request ends, so that it can be sent again; a longer one streams. */
export const MOST_REPLAYED_BODY_BYTES = 64 * 1024;
/**
 * A proxy that drains closes connections that are idle after this, and answers what still comes on them: a load balancer
 * may just be sending a request on one. One that is in use says `connection: close` with its next answer.
 */
export const DRAIN_IDLE_MS = 500;
/** Proxies of one node: each reaches every replica by links of its own. */
export const MOST_PROXIES = 64;
/** Connections of clients that one proxy keeps; beyond it new ones are closed at once. Each may hold a replayable body. */
export const MOST_CLIENT_CONNECTIONS = 16_384;
/** Bytes of one body that may be under way between two hops: enough for a fast network, little for a slow reader. */
export const STREAM_WINDOW_BYTES = 256 * 1024;
/** Frames with more body than this go by a link's second connection, so that small ones need not wait behind them. */
export const BULK_BODY_BYTES = 32 * 1024;
/** A client that sends its body slower than MIN_BODY_BYTES_PER_SECOND over such a span is given up: seen within 5 s. */
export const SLOW_BODY_SPAN_MS = 4_400;
/** See SLOW_BODY_SPAN_MS: no network in use is slower. */
export const MIN_BODY_BYTES_PER_SECOND = 1_024;

// WebSockets.

/** One message of a WebSocket, either way: it is gathered before it is handed on. */
export const MOST_SOCKET_MESSAGE_BYTES = 1024 * 1024;
/** Between two pings of a WebSocket: below the idle time-outs of common load balancers. */
export const SOCKET_PING_MS = 30_000;
/** Pings in a row that a client may leave unanswered before it is taken for gone. */
export const MOST_MISSED_PONGS = 2;
/** Pings a client may send in a second; each makes work and carries nothing. */
export const MOST_PINGS_PER_SECOND = 100;
/** When one side of a WebSocket has closed it, the other has so long to do the same. */
export const SOCKET_CLOSE_MS = 5_000;
/** Silence of an event stream after which a comment goes out, so that nobody between takes the connection for dead. */
export const SSE_SILENCE_MS = 15_000;
/** What a replica may have sent to one WebSocket that its client has not read; beyond it the connection is given up. */
export const MOST_UNREAD_SOCKET_BYTES = 16 * 1024 * 1024;

// Frames.

/** One frame's head: method, path and headers, or a call's name and options. */
export const MOST_FRAME_HEAD_BYTES = 64 * 1024 - 1;
/** One frame's body: the largest request body, and room for its encoding. */
export const MOST_FRAME_BODY_BYTES = MOST_REQUEST_BODY_BYTES + 1024 * 1024;
/** Connecting to a replica, and its handshake; on one machine it takes 1 ms. */
export const REPLICA_CONNECT_TIMEOUT_MS = 2_000;
/** A replica of which nothing has come for so long, though answers are due, is asked whether it is there. */
export const PING_AFTER_MS = 250;
/** One that has not answered that by then is silent: nothing new goes there until it is heard again. */
export const PING_SILENT_MS = 500;
/** One control message between a worker and its children; a routing table of 10,000 replicas is about 3 MB. */
export const MOST_CONTROL_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Time a child that dialled has for its first message; it is a process on the same machine that sends it at once. */
export const CONTROL_HELLO_TIMEOUT_MS = 2_000;

// Replicas.

/** A replica that takes longer than this to load and set up has failed to start; `startTimeoutMs` changes it. */
export const DEFAULT_START_TIMEOUT_MS = 120_000;
/** Time ongoing requests get to finish once a replica drains. */
export const DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_MS = 20_000;
/** Between two health checks of a replica; often enough to see a stuck one within a minute, seldom enough to cost nothing. */
export const DEFAULT_HEALTH_CHECK_PERIOD_MS = 10_000;
/** One health check; user code that asks a database may take a few seconds on a bad day. */
export const DEFAULT_HEALTH_CHECK_TIMEOUT_MS = 5_000;
/** Failed health checks in a row before a replica is replaced; one or two may be a hiccup. */
export const UNHEALTHY_AFTER_FAILURES = 3;
/**
 * A batch or a run of a model that nobody has waited for this long will not end: its replica is replaced. Long enough for
 * one that is merely slow, whose callers had little time. It gets the time that its last caller had in any case.
 */
export const STUCK_AFTER_MS = 5_000;
/** Where runs are known to take long: so many times the longest until now. */
export const STUCK_AFTER_RUNS = 3;
/** But no longer than this, because one run that took an hour must not let the next hang for three. */
export const MOST_STUCK_AFTER_MS = 600_000;
/** A self-test of a model may take so many times what its warm-up took: a machine under load is slower than one that starts. */
export const SELF_TEST_WARMUPS = 3;
/** The event loop of a replica tells its worker this often that it runs. */
export const BEAT_MS = 250;
/** And at once when the latest deadline on it is another than told by more than this. */
export const BEAT_DEADLINE_STEP_MS = 250;
/** An event loop that was not heard for so long is busy: three beats late. Less is what any collection or large body does. */
export const BUSY_AFTER_MS = 1_000;
/** A replica is blocked when the last deadline on it is past by this: time for an answer that comes just then. */
export const BLOCKED_GRACE_MS = 250;
/** Blocked too, after so long, is one with nothing ongoing that has a deadline: nobody can tell what it does. */
export const BLOCKED_IDLE_AFTER_MS = 30_000;
/** One that is blocked for so long is ended: replaced 5 s after it was seen, with 3 s left for the new one's start. */
export const BLOCKED_ENDED_AFTER_MS = 1_500;
/** One whose process is stopped as a whole for so long is killed: within 10 s of a SIGSTOP. */
export const STOPPED_ENDED_AFTER_MS = 5_000;
/** Between SIGTERM and SIGKILL of a process whose event loop does not run, which therefore hears only the second. */
export const KILL_BLOCKED_AFTER_MS = 500;
/** The worker looks at its replicas this often. */
export const HEALTH_LOOK_MS = 250;
/** A worker whose own look is later than this stood still itself, and counts nobody's silence from before. */
export const WORKER_STALL_MS = 1_000;
/** A replica that uses more than this share of its `memoryLimitBytes` is replaced while it still works. */
export const MEMORY_RETIRE_SHARE = 0.9;
/** One that has grown by more than this share of its limit since it was ready leaks: it is replaced at once. */
export const MEMORY_LEAK_SHARE = 0.25;
/** One that was near its limit from the start is replaced this old at the earliest: the next one will be there as soon. */
export const MEMORY_RETIRE_AGE_MS = 600_000;
/** Looks in a row, a second apart, that must find a replica above its limit before it is ended; one may be a peak. */
export const OVER_MEMORY_CHECKS = 2;
/** Least `memoryLimitBytes`: a process that has loaded the runtime and nothing else uses half of it. */
export const LEAST_MEMORY_LIMIT_BYTES = 128 * 1024 * 1024;
/** `teardown` and closing models, after the last request. */
export const TEARDOWN_TIMEOUT_MS = 5_000;
/** Between SIGTERM and SIGKILL. */
export const KILL_AFTER_MS = 5_000;
/** Waits between local restarts of a crashed replica. */
export const RESTART_BACKOFF = { firstMs: 100, mostMs: 10_000 } as const;
/** Failed starts in a row, over all replicas of a new version, before its rollout is given up. */
export const ROLLOUT_FAILED_AFTER_STARTS = 3;
/** Batches' worth of requests that a replica takes: one runs while the next gathers. */
export const ONGOING_BATCHES = 2;
/** The same where items are chosen to suit one another (measured: a third of the padding, a quarter more throughput). */
export const ONGOING_BATCHES_CHOOSING = 8;
/** Items that may wait in one batch method: far above what a replica admits, a bound for code that runs without one. */
export const MOST_BATCH_WAITING_ITEMS = 10_000;
/** Models and shapes whose run times one batch method keeps apart: those used last. */
export const MOST_BATCH_KEYS = 64;
/** Items of a batch's stream that wait for one slow caller, before the others wait for it too: some seconds of tokens. */
export const MOST_STREAM_WAITING_ITEMS = 1_024;
/** That long the others wait for it, and it fails then. */
export const STREAM_LAG_TIMEOUT_MS = 1_000;
/** Runs that may wait in one model session; as above. */
export const MOST_SESSION_WAITING_RUNS = 10_000;
/** Threads that may compute one run of a model: more than machines have cores, so that more can only be a mistake. */
export const MOST_MODEL_THREADS = 1_024;
/** Characters of the id of one of several models: enough for `organization/model:tag`. */
export const MOST_MODEL_ID_LENGTH = 128;
/** Models whose ids a replica tells its routers, the most recently used; 33 KB of one frame's head at the longest. */
export const MOST_TOLD_MODELS = 256;
/** Uses that may wait in one `models()` for a model to be loaded, or for room: far above what a replica admits. */
export const MOST_WAITING_MODEL_USES = 10_000;
/** Loading one of several models; as long as a replica's start may take, because that loads models too. */
export const MODEL_LOAD_TIMEOUT_MS = 120_000;
/** Closing one of several models; what takes longer is given up, or its room would never be free again. */
export const MODEL_CLOSE_TIMEOUT_MS = 10_000;
/** A replica whose worker has been away so long drains and exits: nobody will come back for it. */
export const ORPHAN_AFTER_MS = 10 * 60_000;
/** Blank replica processes a worker keeps ready. */
export const WARM_POOL_SIZE = 1;
/** Cores that a replica declares unless it says otherwise: a declaration for placement, not a cap. */
export const DEFAULT_CPUS = 0.1;
/** A child process that has not dialled its worker by then will not; loading takes under a second on an idle machine. */
export const CHILD_HELLO_TIMEOUT_MS = 30_000;
/** What a replica gets beyond its own limits (start, drain) before its worker ends it: its event loop may be blocked. */
export const CHILD_GRACE_MS = 5_000;
/** A restarted worker waits so long for the children it left behind before it goes on with those that dialled. */
export const ADOPT_WAIT_MS = 2_000;
/** A child that stays silent longer than that may be in the midst of a computation; only after this is it ended. */
export const ADOPT_SILENT_MS = 30_000;
/** A replica that was ready for so long and then crashed is restarted as if for the first time. */
export const STABLE_AFTER_MS = 30_000;
/** A spent blank process is replaced after this, or as soon as nothing starts any more: both would share the cores. */
export const REFILL_AFTER_MS = 3_000;

// Control plane.

/** A worker says it lives this often. */
export const HEARTBEAT_MS = 1_000;
/** Silence after which a node is suspect: nothing new is placed there. */
export const NODE_SUSPECT_AFTER_MS = 3_000;
/** Silence after which a node is lost: its replicas are placed elsewhere. */
export const NODE_LOST_AFTER_MS = 5_000;
/** After a controller's start nothing is stopped for so long, while workers report what runs. */
export const RECOVERY_GRACE_MS = 10_000;
/** A controller places nothing before the nodes it knew have reported, or this has passed. */
export const RECOVERY_REPORT_WAIT_MS = 3_000;
/** The controller's loop runs on every event, and at least this often. */
export const TICK_MS = 1_000;
/** Routers look at how many requests they have this often, while they have any. */
export const LOAD_SAMPLE_MS = 100;
/** And tell the mean this often: the controller then sees a burst in half of the default `upscaleDelayMs`. */
export const LOAD_REPORT_MS = 500;
/** A metric that a deployment scales by is read this often, where it is not pushed. */
export const METRIC_PERIOD_MS = 5_000;
/** Reading it may take so long, and so many bytes. */
export const METRIC_TIMEOUT_MS = 2_000;
/** See METRIC_TIMEOUT_MS: a whole exporter's page is smaller. */
export const MOST_METRIC_BYTES = 4 * 1024 * 1024;
/** A user's scaling `policy` is asked this often. */
export const POLICY_PERIOD_MS = 1_000;
/** What the processes of a node tell within so long goes to the controller together. */
export const LOAD_GATHER_MS = 100;
/** A router that has not acknowledged a table by then is not waited for. */
export const TABLE_ACK_TIMEOUT_MS = 2_000;
/** Table changes kept for routers that reconnect; older ones get a snapshot. */
export const TABLE_CHANGES_KEPT = 1_000;
/** Waits between attempts to reach the controller. */
export const RECONNECT_BACKOFF = { firstMs: 50, mostMs: 2_000 } as const;
/** Rests of a router after a replica refused a request because other routers had taken its slots. */
export const REFUSAL_BACKOFF = { firstMs: 4, mostMs: 100 } as const;
/** Waits between restarts of a supervised process. */
export const SUPERVISE_BACKOFF = { firstMs: 50, mostMs: 5_000 } as const;
/** Waits between restarts of a node's proxy: short however often it dies, for without it the node answers nobody. */
export const PROXY_BACKOFF = { firstMs: 50, mostMs: 400 } as const;
/** When the supervisor is gone, everything it kept ends within this. */
export const LIFELINE_EXIT_MS = 2_000;
/** A worker may drain for so long when its supervisor stops; then everything is ended. Three default drains. */
export const SUPERVISOR_STOP_MS = 60_000;
/** Earlier versions of an application kept for a rollback. */
export const VERSIONS_KEPT = 10;
/** A node that is drained without a deadline is empty by then, whether all of it could be replaced or not. */
export const DEFAULT_NODE_DRAIN_MS = 120_000;
/** A node that is told to end lets its replicas be replaced elsewhere for so long: an application with a model starts by then. */
export const LEAVE_WAIT_MS = 10_000;
/** A longer deadline would be forgotten by whoever set it. */
export const LONGEST_NODE_DRAIN_MS = 24 * 60 * 60_000;
/** Evaluating app.ts: it only builds a description, so half a minute is generous. */
export const EVALUATE_TIMEOUT_MS = 30_000;
/** What app.ts may print while it is evaluated. */
export const MOST_EVALUATE_OUTPUT_BYTES = 1024 * 1024;

// Files.

/** A process's log file is rotated at this size; one earlier file is kept beside it. */
export const MOST_LOG_FILE_BYTES = 16 * 1024 * 1024;
/** Log files are measured this often; a replica's console is limited to 1 MiB a second, so they overshoot little. */
export const LOG_POLL_MS = 1_000;
/** Log lines that could not be written, on a full disk say, are kept up to this; then the newest are dropped. */
export const MOST_UNWRITTEN_LOG_BYTES = 1024 * 1024;
/** Log files of processes that are gone. */
export const LOG_FILES_KEPT = 50;
/** Of a node's log files when lines are asked for, from their ends; they travel as one message. */
export const MOST_LOG_TAIL_BYTES = 8 * 1024 * 1024;
/** Children have so long to hand over their metrics; a scrape should not wait for a stuck one. */
export const COLLECT_TIMEOUT_MS = 1_000;
/** What a replica may print in one second; the rest is dropped and counted, so that a loop cannot fill a disk. */
export const MOST_CONSOLE_BYTES_PER_SECOND = 1024 * 1024;
/** One file of a bundle, as a transport; larger models are to be fetched by the deployment itself. */
export const MOST_BLOB_BYTES = 4 * 1024 * 1024 * 1024;
/** A download of which nothing came for so long is broken off; its replica tries again by backoff. */
export const BLOB_STALL_MS = 15_000;
/** Files of one bundle. */
export const MOST_BUNDLE_FILES = 10_000;
/** Unpacked bundles a node keeps beyond those in use. */
export const BUNDLES_KEPT = 10;
/** Desired state's log is folded into a snapshot when it is longer than this. */
export const STORE_LOG_BYTES = 4 * 1024 * 1024;

// Specifications.

/** Deployments of one application; a graph larger than this is a mistake in a loop. */
export const MOST_DEPLOYMENTS = 256;
/** Replicas of one deployment. */
export const MOST_REPLICAS = 10_000;
/** Keys of one application; each request's key is compared with all of them, 10 ns each. */
export const MOST_ACCESS_KEYS = 1_000;
/** Highest `maxOngoingRequests` of a key: the connections a proxy keeps are the bound beyond it. */
export const MOST_ONGOING_OF_KEY = 1_000_000;
/** Applications whose keys' use a proxy remembers; one that is forgotten begins with full budgets again. */
export const MOST_METERED_APPLICATIONS = 1_024;
/** Origins, methods or headers that one CORS setting may list. */
export const MOST_CORS_NAMES = 100;
/** How long browsers remember a preflight's answer; more than ten minutes most of them do not. */
export const DEFAULT_PREFLIGHT_AGE_SECONDS = 600;
/** Networks that `--trusted-proxies` may list; each is compared with on requests from any address. */
export const MOST_TRUSTED_PROXIES = 64;
/** Longest time an option may ask for: a day. */
export const MOST_OPTION_MS = 24 * 60 * 60 * 1_000;
/** Nesting that `userConfig` and the arguments of `bind` may have. */
export const MOST_SPEC_DEPTH = 64;
/** Replicas beyond the target while versions change: a quarter, and at least one, hurries without doubling the cost. */
export const DEFAULT_MAX_SURGE = 0.25;
/** Percent of the requests for a new version: few enough to hurt few, then enough to measure, then all. */
export const DEFAULT_ROLLOUT_STEPS: readonly number[] = [5, 25, 100];
/** Steps of one rollout. */
export const MOST_ROLLOUT_STEPS = 20;
/** Gates of one rollout, all of them looked at in every tick. */
export const MOST_GATES = 16;
/** Rules that send requests to a new version by a header; each is compared with on every request. */
export const MOST_MATCH_RULES = 16;
/** Scores that one `verify` may give. */
export const MOST_SCORES = 64;
/** A user's `policy` has so long: it is asked in every round of scaling, and one that waits for another service is late. */
export const POLICY_TIMEOUT_MS = 1_000;
/** A run of `policy` that is still not over when it is asked for this often is left to itself, and the next one begins. */
export const POLICY_LEFT_AFTER_ASKS = 3;
/** Runs of `policy` in one process that are not over; beyond it the function is taken never to end there. */
export const MOST_POLICY_RUNS = 8;
/** Failures in a row after which the policy is asked of another replica: what hangs there may work elsewhere. */
export const POLICY_FAILURES_PER_REPLICA = 3;
/** The replica keeps a question's time; the worker, and then the controller, wait so much longer each. */
export const ASK_GRACE_MS = 1_000;
/** Questions to users' functions that a controller or a worker has open; one a deployment is the rule. */
export const MOST_OPEN_QUESTIONS = 1_000;
/** After a replica that was to run `verify` was gone, so long until another is asked: what took it may not be over yet. */
export const VERIFY_AGAIN_MS = 1_000;
/** A step is watched for so long: at 100 requests a second even 5 % are 50 requests. */
export const DEFAULT_GATE_WINDOW_MS = 10_000;
/** A `verify` may play a whole test set through both versions. */
export const DEFAULT_VERIFY_TIMEOUT_MS = 10 * 60 * 1_000;
/** Old replicas stand by for so long after a blue-green switch: until dashboards would have shown a bad one. */
export const DEFAULT_KEEP_OLD_MS = 10 * 60 * 1_000;
/** Resources that `thornback_pending_resources` tells of: a scrape must not grow with every name that was ever asked for. */
export const MOST_DEMAND_SERIES = 256;
/** Bounds of an autoscaled deployment that names none of its own. */
export const DEFAULT_MIN_REPLICAS = 1;
/** Upper bound, so that a loop that calls itself cannot fill a cluster. */
export const DEFAULT_MAX_REPLICAS = 10;
/** Ongoing requests per replica that scaling aims at; two keep a replica busy while an answer travels. */
export const DEFAULT_TARGET_ONGOING_REQUESTS = 2;
/** Share of its time that scaling wants a replica busy: the rest is room for what comes while another one starts. */
export const DEFAULT_TARGET_UTILISATION = 0.8;
/** Load must last this long before replicas are added. */
export const DEFAULT_UPSCALE_DELAY_MS = 1_000;
/** Load must be gone this long before replicas are taken away: longer than adding takes. */
export const DEFAULT_DOWNSCALE_DELAY_MS = 30_000;
/** Silence before the last replica goes; the next request then waits for a start. */
export const DEFAULT_SCALE_TO_ZERO_DELAY_MS = 60_000;
