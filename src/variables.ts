import { availableParallelism } from 'node:os'
import * as z from 'zod'
import { ClientId, ProjectId, ThreadId, UserId } from './command/ids.ts'
import { GITHUB_VARIABLES } from './github-variables.ts'
import { PREVIEW_VARIABLES } from './preview-variables.ts'
import { QUEUE_VARIABLES } from './queue-variables.ts'
import { flag, hosts, milliseconds, minutes, portOrOff, publicUrl, usd, whole, word } from './shapes.ts'
import { WATCHING_VARIABLES } from './watching-variables.ts'

/**
 * Every environment variable of the service: group, default as the README shows it, meaning, shape.
 * A variable marked secret may be given as `NAME_FILE` too and is redacted wherever it turns up. Empty means not set, but for those
 * marked so.
 */
export const VARIABLES = {
  PORT: {
    group: 'service',
    default: '8080',
    about: 'Port of the HTTP API; 0 takes a free one, `off` serves queues only.',
    shape: portOrOff.default(8080),
  },
  HOST: {
    group: 'service',
    default: '127.0.0.1',
    about: 'Address to listen on. Anything but loopback needs API_TOKEN or API_TOKENS_FILE.',
    shape: word.default('127.0.0.1'),
  },
  WORKSPACE_PATH: { group: 'service', default: './workspace', about: 'Folder that holds everything the service keeps.', shape: word.default('./workspace') },
  DISK_RESERVE_MB: {
    group: 'service',
    default: '64',
    about: 'Room on the disk, in MB, that is kept back so that what was written can be saved when the disk has filled up; 0 keeps none.',
    shape: whole(0, 100_000).default(64),
  },
  HISTORY_DAYS: {
    group: 'service',
    default: '365',
    about: 'Days for which a message and its result are kept; after that its id may be used again. Commits and checkpoints stay.',
    shape: whole(1, 36_500).default(365),
  },
  LEASE_TTL_SECONDS: {
    group: 'service',
    default: '0; 30 with JOURNAL_TABLE',
    about:
      'For a WORKSPACE_PATH on storage that several machines reach: seconds after which a service that is not heard of any more may be replaced by one on another machine, such as 30. 0 where one machine uses it.',
    shape: whole(0, 3600).optional(),
  },
  LOG_LEVEL: {
    group: 'service',
    default: 'info',
    about: 'trace, debug, info, warn, error or silent.',
    shape: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  },
  API_TOKEN: {
    group: 'service',
    default: '',
    about: 'Token, of 16 characters at least, that callers show as `Authorization: Bearer …`; it may do everything.',
    shape: z.string().min(16, 'must be at least 16 characters').optional(),
    secret: true,
  },
  API_TOKENS_FILE: {
    group: 'service',
    default: '',
    about: 'JSON file with an array of `{name, token, role, clientId?, userId?}`; role is view, work or administer.',
    shape: word.optional(),
  },
  ALLOWED_HOSTS: {
    group: 'service',
    default: '',
    about:
      'Host names, separated by commas, under which the API may be called besides loopback and HOST. Where tokens are needed, any name is taken unless this is set.',
    shape: z.string().default(''),
  },
  CORS_ORIGINS: {
    group: 'service',
    default: '',
    about: 'Origins of web pages, separated by commas, that may call the API from a browser.',
    shape: z.string().default(''),
  },
  PUBLIC_URL: {
    group: 'service',
    default: '',
    about:
      'Where GitHub, and whoever looks at a pull request, reaches this service, such as https://branchline.example.com. Needs API_TOKEN or API_TOKENS_FILE.',
    shape: publicUrl.optional(),
  },
  ISOLATION: {
    group: 'service',
    default: 'auto',
    about: '`require` refuses to start where agents cannot run as users of their own.',
    shape: z.enum(['auto', 'require']).default('auto'),
  },
  SANDBOX: {
    group: 'service',
    default: 'off',
    about: '`bubblewrap` starts agents and builds in a sandbox that hides other files; the service refuses to start where that cannot be had.',
    shape: z.enum(['off', 'bubblewrap']).default('off'),
  },
  FIRST_USER_ID: {
    group: 'service',
    default: '20000',
    about: 'First of the numeric users that agents run as, where they run as users of their own. Two services on one machine need ranges of their own.',
    shape: whole(1000, 2_000_000_000).default(20_000),
  },
  EGRESS_ALLOW: {
    group: 'service',
    default: 'any host',
    about:
      'Hosts that agents, installs and builds may reach, separated by commas: `example.com`, `*.example.com` (those below it), each with `:port` or else at 443 and 80. Set and empty: none but the package registry and the host of the repository, which are always allowed.',
    shape: hosts.optional(),
    emptyCounts: true,
  },
  CLIENT_ID: { group: 'who', default: '', about: 'The only client that is served; default of requests.', shape: ClientId.optional() },
  USER_ID: { group: 'who', default: '', about: 'The only user that is served; default of requests.', shape: UserId.optional() },
  PROJECT_ID: { group: 'who', default: '', about: 'The only project that is served; default of requests (else `project`).', shape: ProjectId.optional() },
  CONTAINER_ID: {
    group: 'who',
    default: '',
    about: '`{client}-{project}-{user}`: the same as those three, and the name under which tables know this container.',
    shape: z
      .string()
      .regex(/^[A-Za-z0-9._@-]{5,386}$/, 'must be {client}-{project}-{user}')
      .optional(),
  },
  THREAD_ID: { group: 'who', default: '', about: 'Default thread of requests; shown in health.', shape: ThreadId.optional() },
  REPO_URL: {
    group: 'who',
    default: 'the example site',
    about:
      'Repository that a workspace begins with: an https URL, which may hold credentials (they are never stored), or the absolute path of a local repository.',
    shape: word.optional(),
    secret: true,
  },
  CONCURRENCY: {
    group: 'runs',
    default: '2',
    about: 'Threads of one workspace that may run at once. At 1 any new edit interrupts the running one.',
    shape: whole(1, 64).default(2),
  },
  MAX_RUNS: {
    group: 'runs',
    default: 'number of cores, at least 2',
    about: 'Runs of all workspaces at once.',
    shape: whole(1, 256).default(Math.max(2, availableParallelism())),
  },
  RUN_TIMEOUT: { group: 'runs', default: '5', about: 'Minutes without any sign of life after which a run is ended.', shape: minutes.default(5 * 60_000) },
  RUN_LIMIT: { group: 'runs', default: '60', about: 'Minutes after which a run is ended in any case.', shape: minutes.default(60 * 60_000) },
  MIN_RUN_MS: { group: 'runs', default: '2000', about: 'Milliseconds that a run gets before it can be interrupted.', shape: milliseconds.default(2000) },
  INTERRUPTS_PER_MINUTE: {
    group: 'runs',
    default: '10',
    about: 'Interrupts of one workspace in a minute; past that, messages wait.',
    shape: whole(1, 100_000).default(10),
  },
  RETRY_BASE_MS: {
    group: 'runs',
    default: '2000',
    about: 'Milliseconds before a run that failed for a passing reason is tried again; doubled each time.',
    shape: milliseconds.default(2000),
  },
  INTERRUPT_GRACE_MS: {
    group: 'runs',
    default: '5000',
    about: 'Milliseconds that an agent has to answer an interrupt before it is killed.',
    shape: whole(0, 60_000).default(5000),
  },
  MAX_COST_USD: {
    group: 'runs',
    default: 'no limit',
    about: 'What one message may cost, in USD; it may ask for less by `maxCostUsd`. Reaching it ends the run, and what was done is committed.',
    shape: usd.optional(),
  },
  MAX_COST_USD_PER_THREAD: { group: 'runs', default: 'no limit', about: 'What all messages of one thread may cost together.', shape: usd.optional() },
  MAX_COST_USD_PER_DAY: {
    group: 'runs',
    default: 'no limit',
    about: 'What all messages of one user may cost on one day (UTC).',
    shape: usd.optional(),
  },
  RATE_LIMIT_WAIT: {
    group: 'runs',
    default: '360',
    about: 'Minutes that a message may wait for a model that takes no requests (its rate limit, or the window of a subscription) before it fails.',
    shape: minutes.default(360 * 60_000),
  },
  INSTALL_SCRIPTS: { group: 'runs', default: 'false', about: 'Whether packages may run scripts when dependencies are installed.', shape: flag.default(false) },
  ANTHROPIC_API_KEY: {
    group: 'agent',
    default: '',
    about: 'Key of the Anthropic API. It stays in the service: agents never see it.',
    shape: word.optional(),
    secret: true,
  },
  ANTHROPIC_AUTH_TOKEN: { group: 'agent', default: '', about: 'Bearer token of a gateway, instead of a key.', shape: word.optional(), secret: true },
  CLAUDE_CODE_OAUTH_TOKEN: {
    group: 'agent',
    default: '',
    about: 'Token of a Claude subscription (`claude setup-token`), instead of a key.',
    shape: word.optional(),
    secret: true,
  },
  ANTHROPIC_BASE_URL: {
    group: 'agent',
    default: 'https://api.anthropic.com',
    about: 'Another place that speaks the Messages API.',
    shape: z.url({ protocol: /^https?$/ }).default('https://api.anthropic.com'),
  },
  CLAUDE_CODE_USE_BEDROCK: {
    group: 'agent',
    default: 'false',
    about: 'Whether models are used by Amazon Bedrock. AWS credentials are found as by the AWS command line, and stay in the service.',
    shape: flag.default(false),
  },
  AWS_REGION: {
    group: 'agent',
    default: '',
    about: 'Region of Amazon Bedrock, of queues and tables.',
    shape: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]{2,12}){1,3}-\d{1,2}$/, 'must be a region, such as us-east-1')
      .optional(),
  },
  AWS_BEARER_TOKEN_BEDROCK: {
    group: 'agent',
    default: '',
    about: 'API key of Amazon Bedrock, instead of AWS credentials.',
    shape: word.optional(),
    secret: true,
  },
  ANTHROPIC_BEDROCK_BASE_URL: {
    group: 'agent',
    default: 'that of the region',
    about: 'Another place that speaks the API of Amazon Bedrock.',
    shape: z.url({ protocol: /^https?$/ }).optional(),
  },
  ANTHROPIC_MODEL: { group: 'agent', default: "Claude Code's own", about: 'Model to use.', shape: word.optional() },
  CLAUDE_CODE_MAX_OUTPUT_TOKENS: {
    group: 'agent',
    default: "Claude Code's own",
    about: 'Longest answer of the model, in tokens.',
    shape: whole(1, 1_000_000).optional(),
  },
  CLAUDE_CODE_PATH: {
    group: 'agent',
    default: 'the one installed here',
    about: 'Another program of Claude Code, where the one that is installed with Branchline does not run on this machine.',
    shape: word.optional(),
  },
  SIMULATION: {
    group: 'agent',
    default: 'true without a credential',
    about: 'Whether a scripted model answers instead of a real one.',
    shape: flag.optional(),
  },
  MODEL_SILENCE_SECONDS: {
    group: 'agent',
    default: '90',
    about: 'Seconds without a sign of life after which an answer of the model is cut off and asked for again.',
    shape: whole(1, 3600).default(90),
  },
  SPARE_AGENT: {
    group: 'agent',
    default: 'true',
    about: 'Whether a work tree with a waiting agent is kept ready for the next new thread; it counts as one of AGENTS_KEPT.',
    shape: flag.default(true),
  },
  MEMORY_RESERVE_MB: {
    group: 'agent',
    default: '512',
    about: 'Memory, in MB, that idle agents leave free: when less is available they are ended, the longest unused first.',
    shape: whole(0, 1_000_000).default(512),
  },
  AGENT_SETTINGS_FILE: {
    group: 'agent',
    default: '',
    about: 'JSON file of what agents may use besides the tools they have: [settings of agents](docs/agent.md). A change reaches the next message.',
    shape: word.optional(),
  },
  AGENTS_KEPT: {
    group: 'agent',
    default: '4',
    about: 'Idle agents that stay in memory (about 150 MB each) so that the next message of their thread begins at once.',
    shape: whole(0, 256).default(4),
  },
  ...PREVIEW_VARIABLES,
  ...QUEUE_VARIABLES,
  ...GITHUB_VARIABLES,
  ...WATCHING_VARIABLES,
} as const

export type Name = keyof typeof VARIABLES
/** The parsed value of each. */
export type Values = { readonly [Each in Name]: z.output<(typeof VARIABLES)[Each]['shape']> }
