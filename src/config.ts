/**
 * Reads the environment once, checks it, and freezes the result. No other file reads `process.env`.
 *
 * Address, namespace, TLS and API key of the Temporal server come from Temporal's own configuration file and variables: https://docs.temporal.io/develop/environment-configuration
 */
import { join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { z } from 'zod';
import { CopilotError } from './contracts/errors.ts';
import { issueText } from './contracts/issue-text.ts';
import type { NetworkRules } from './contracts/tool.ts';
import {
  headers,
  codeRunner,
  listenAddress,
  teamFolders,
  hostPatterns,
  names,
  optionalFolder,
  optionalText,
  positiveInteger,
  readProxy,
  webAddress,
  wholeNumber,
} from './environment-values.ts';
import { type DirectTextSettings, readDirectText } from './direct-text/settings.ts';
import { packageDir } from './package-info.ts';
import { isSecret, readKeys, withSecretsOfFiles } from './secret-files.ts';
import type { EncryptionKey } from './storage/keys.ts';
import { parseStoreAddress, type PayloadStoreAddress } from './storage/stores/address.ts';
import type { ObjectStore } from './storage/stores/object-store.ts';
import { readTraceSettings, type TraceSettings } from './tracing/settings.ts';

const PORT_HINT = 'use a port from 1 to 65535';

const Environment = z.object({
  COPILOT_HOME: optionalFolder,
  COPILOT_WORKSPACE_ROOT: optionalFolder,
  COPILOT_AGENTS_DIR: optionalFolder,
  COPILOT_ARCHIVE_DIR: optionalFolder,
  COPILOT_CACHE_DIR: optionalFolder,
  COPILOT_UI_URL: webAddress('http://localhost:8080').optional(),
  COPILOT_TASK_QUEUE: z.string().min(1, 'it is empty').max(200).default('copilot'),
  COPILOT_DEPLOYMENT: z
    .string()
    .regex(/^[\w-]{1,100}$/, 'use letters, digits, _ and -, 100 at most')
    .optional(),
  COPILOT_BUILD_ID: z
    .string()
    .regex(/^[\w.+-]{1,100}$/, 'use letters, digits and . _ + -, 100 at most')
    .optional(),
  COPILOT_MODEL: optionalText,
  COPILOT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  COPILOT_FETCH_ALLOW: hostPatterns.default([]),
  COPILOT_FETCH_PRIVATE: z.enum(['0', '1'], 'use 1 for yes or 0 for no').default('0'),
  COPILOT_WEBHOOK_PRIVATE: z.enum(['0', '1'], 'use 1 for yes or 0 for no').default('0'),
  COPILOT_DENY_TOOLS: names.default([]),
  COPILOT_CODE_RUNNER: codeRunner.optional(),
  COPILOT_TRUST_TEAMS: z.enum(['0', '1'], 'use 1 for yes or 0 for no').default('0'),
  COPILOT_METRICS_PORT: z
    .string()
    .regex(/^[1-9][0-9]{0,4}$/, PORT_HINT)
    .transform(Number)
    .refine((port) => port <= 65_535, PORT_HINT)
    .optional(),
  // The next two have their own parsers.
  COPILOT_ENCRYPTION_KEYS: optionalText,
  COPILOT_PAYLOAD_STORE: optionalText,
  COPILOT_MAX_FILE_MIB: positiveInteger(64),
  COPILOT_CODEC_TOKEN: optionalText,
  COPILOT_DIRECT_TEXT: z.enum(['0', '1', 'unencrypted'], 'use 1 for yes, 0 for no, or unencrypted').default('1'),
  COPILOT_DIRECT_TEXT_LISTEN: listenAddress.default({ host: '127.0.0.1', port: 0 }),
  COPILOT_DIRECT_TEXT_URL: webAddress('http://10.0.0.7:7290').optional(),
  COPILOT_GATEWAY_JWKS_URL: webAddress('https://id.example.org/keys').optional(),
  COPILOT_GATEWAY_ISSUER: optionalText,
  COPILOT_GATEWAY_AUDIENCE: optionalText,
  COPILOT_GATEWAY_REQUESTS_PER_MINUTE: positiveInteger(6_000),
  COPILOT_GATEWAY_STREAMS: positiveInteger(100),
  COPILOT_GATEWAY_SESSIONS_AT_WORK: positiveInteger(100),
  COPILOT_GATEWAY_BODY_MIB: positiveInteger(32),
  AGENT_POOL_SIZE: wholeNumber.optional(),
  AGENT_CACHE_SIZE: wholeNumber.optional(),
  AGENT_IDLE_SECONDS: wholeNumber.optional(),
  COPILOT_PROMISE_STACKS: z.enum(['0', '1'], 'use 1 for yes or 0 for no').default('0'),
  COPILOT_WARM: z.enum(['0', '1'], 'use 1 for yes or 0 for no').optional(),
  COPILOT_SESSION_IDLE_SECONDS: z.union([z.literal('never'), wholeNumber]).optional(),
  OPENAI_API_KEY: optionalText,
  OPENAI_BASE_URL: z
    .url({
      protocol: /^https?$/,
      error: 'use a URL that begins with http:// or https://, such as http://localhost:11434/v1',
    })
    .optional(),
  COPILOT_MODEL_API: z.enum(['responses', 'chat'], 'use responses or chat').optional(),
  COPILOT_MODEL_HEADERS: headers.optional(),
  COPILOT_FIRST_BYTE_SECONDS: positiveInteger(600),
  COPILOT_SILENCE_SECONDS: positiveInteger(120),
});

/** A version of a worker deployment: https://docs.temporal.io/worker-versioning */
export interface Build {
  readonly deploymentName: string;
  readonly buildId: string;
}

/** The settings that the program takes from its environment. Paths are absolute. */
export interface Config {
  /** Folder of local state: server database and workspaces. `COPILOT_HOME`, default `.copilot` in the working directory. */
  readonly homeDir: string;
  /** Parent folder of the sessions' workspaces. `COPILOT_WORKSPACE_ROOT`, default `<home>/workspaces`. */
  readonly workspaceRoot: string;
  /** Folder for the exports of closed sessions, one file each. `COPILOT_ARCHIVE_DIR`, default `<home>/archive`. */
  readonly archiveDir: string;
  /** Folder with one subfolder per team, or folders of single teams. `COPILOT_AGENTS_DIR`, default `agents/` of this package. */
  readonly agentsDir: string | readonly string[];
  /** Cache for the server program and workflow bundles. `COPILOT_CACHE_DIR`, default the user's cache folder. */
  readonly cacheDir: string;
  /** Temporal task queue of the workers. `COPILOT_TASK_QUEUE`, default `copilot`. */
  readonly taskQueue: string;
  /**
   * Deployment and build of the workers. A session stays on its build until it moves at a turn boundary.
   * `COPILOT_DEPLOYMENT` and `COPILOT_BUILD_ID`, default none: any worker may run any session.
   */
  readonly build?: Build;
  /** `COPILOT_LOG_LEVEL`, default `info`. */
  readonly logLevel: string;
  /** TCP port for probes and metrics of a worker or gateway, on all addresses. `COPILOT_METRICS_PORT`, default none. */
  readonly metricsPort?: number;
  /** Team instances per digest. `AGENT_POOL_SIZE`, default 1. */
  readonly agentPoolSize: number;
  /** Most teams kept open on a worker. `AGENT_CACHE_SIZE`, default 32. */
  readonly agentCacheSize: number;
  /** A team that was not used for this long is closed. `AGENT_IDLE_SECONDS`, default 1800. */
  readonly agentIdleMs: number;
  /** Whether the SDK takes the stacks that the Web UI's `Call Stack` shows. `COPILOT_PROMISE_STACKS`, default 0. */
  readonly promiseStacks: boolean;
  /** Whether a worker opens the teams of its folder when it starts. `COPILOT_WARM`, default 1. */
  readonly warm: boolean;
  /**
   * Time without a message after which sessions that this client creates expire; null is never.
   * `COPILOT_SESSION_IDLE_SECONDS`, default a day.
   */
  readonly sessionIdleMs?: number | null;
  /**
   * Keys for payloads: the first encrypts, all decrypt. Without keys payloads are plain JSON.
   * `COPILOT_ENCRYPTION_KEYS`, default none.
   */
  readonly encryptionKeys: readonly EncryptionKey[];
  /**
   * Store for payloads above 128 KiB. `COPILOT_PAYLOAD_STORE`, default none: they stay in the history. A program may put an
   * `ObjectStore` of its own here.
   */
  readonly payloadStore?: PayloadStoreAddress | ObjectStore;
  /** Largest file that clients put into a workspace or get from it, in bytes. `COPILOT_MAX_FILE_MIB`, default 64. */
  readonly maxFileBytes: number;
  /** Token that callers of the codec server must send. `COPILOT_CODEC_TOKEN`, default none. */
  readonly codecToken?: string;
  /**
   * Where a worker gives followers the text of a call while the model writes it. Without it, workers and followers use
   * heartbeats alone. `COPILOT_DIRECT_TEXT` and its companions, default a free port of loopback.
   */
  readonly directText?: DirectTextSettings;
  /** What one caller of the gateway may have at a time. `COPILOT_GATEWAY_REQUESTS_PER_MINUTE` and its companions. */
  readonly gatewayLimits: Readonly<Record<'requestsPerMinute' | 'streams' | 'sessionsAtWork' | 'bodyBytes', number>>;
  /** Tokens of an identity provider that the gateway accepts. `COPILOT_GATEWAY_JWKS_URL` and its companions, default none. */
  readonly gatewayTokens?: { readonly jwksUrl: string; readonly issuer: string; readonly audience: string };
  /** Where spans go. The standard variables of OpenTelemetry, such as `OTEL_EXPORTER_OTLP_ENDPOINT`; default nowhere. */
  readonly traces?: TraceSettings;
  /** The environment without the secrets above. Declarations of MCP servers in teams may refer to it. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Whether the worker opens MCP servers of any team that a session brings. Then everybody who may start sessions may run
   * programs on the worker and read its environment. `COPILOT_TRUST_TEAMS`, default 0.
   */
  readonly trustTeams: boolean;
  /**
   * Categories and names of tools that the worker never runs, whatever session, team or person say.
   * `COPILOT_DENY_TOOLS`, default none; `ceilings` in copilot.config.ts adds to them.
   */
  readonly denyTools: readonly string[];
  /** Containers in which the code of agents runs. `COPILOT_CODE_RUNNER`, such as `docker:node:24`; default: child processes. */
  readonly codeRunner?: string;
  /** Hosts that `fetch_url` may reach. `COPILOT_FETCH_ALLOW`, default every public host; `COPILOT_FETCH_PRIVATE`, default 0. */
  readonly network: NetworkRules;
  /** Whether webhooks may go to addresses that are not public, and by plain HTTP. `COPILOT_WEBHOOK_PRIVATE`, default 0. */
  readonly webhooksMayBePrivate: boolean;
  readonly model: {
    /** `OPENAI_API_KEY`. With neither key nor base URL the offline model answers. */
    readonly apiKey?: string;
    /** `OPENAI_BASE_URL`: any server that speaks chat completions or the Responses API. A query is kept. */
    readonly baseUrl?: string;
    /** `COPILOT_MODEL_API`. Default `responses` at OpenAI's own address, `chat` (chat completions) elsewhere. */
    readonly api?: 'responses' | 'chat';
    /** Sent with every request to the default provider. `COPILOT_MODEL_HEADERS`, a JSON object. */
    readonly headers?: Readonly<Record<string, string>>;
    /** Longest time until a reply begins. `COPILOT_FIRST_BYTE_SECONDS`, default 600. */
    readonly firstByteMs: number;
    /** Longest time between two bytes of a reply. `COPILOT_SILENCE_SECONDS`, default 120. */
    readonly betweenBytesMs: number;
    /** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in capitals or not. Default: no proxy. */
    readonly proxy?: { readonly httpProxy?: string; readonly httpsProxy?: string; readonly noProxy?: string };
    /** `COPILOT_MODEL` replaces the model name of every team. */
    readonly name?: string;
  };
  readonly temporal: {
    /** `TEMPORAL_ADDRESS`; undefined if it is not set. */
    readonly address?: string;
    /** Address of the Web UI without a trailing slash. `COPILOT_UI_URL`; default: known only for a server that this program started. */
    readonly uiUrl?: string;
    /** The same environment as above, for `@temporalio/envconfig`. */
    readonly environment: Readonly<Record<string, string>>;
  };
}

/** What a config file may say where the environment says nothing. */
export interface ConfigDefaults {
  /** Folder with one subfolder for each team, or a list of such subfolders or their `team.yaml`. COPILOT_AGENTS_DIR goes before it. */
  readonly teams?: string | readonly string[] | undefined;
  /** Team instances per digest. AGENT_POOL_SIZE goes before it. Default 1. */
  readonly agentPoolSize?: number | undefined;
  /** Most teams kept open. AGENT_CACHE_SIZE goes before it. Default 32. */
  readonly agentCacheSize?: number | undefined;
  /** A team that was not used for this many milliseconds is closed. AGENT_IDLE_SECONDS goes before it. Default 30 minutes. */
  readonly agentIdleMs?: number | undefined;
  /** Whether teams are opened at the start. COPILOT_WARM goes before it. Default true. */
  readonly warm?: boolean | undefined;
}

/**
 * Reads and checks the environment.
 * @param outside the environment; `NAME_FILE` stands for a secret in a file
 * @param defaults where the environment says nothing
 * @throws CopilotError `InvalidConfig` with the variable, its value and what is wrong
 */
export function loadConfig(outside: NodeJS.ProcessEnv = process.env, defaults: ConfigDefaults = {}): Config {
  const environment = withSecretsOfFiles(outside);
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => !!entry[1]),
  );
  const env = parseEnvironment(environment, given);
  const encryptionKeys = readKeys(environment);
  const payloadStore = readStoreAddress(given);
  const build = readBuild(env);
  const traces = readTraceSettings(given);
  const passedOn = Object.fromEntries(Object.entries(given).filter(([name]) => !HIDDEN.includes(name)));
  const homeDir = resolve(env.COPILOT_HOME ?? '.copilot');
  return Object.freeze({
    homeDir,
    workspaceRoot: resolve(env.COPILOT_WORKSPACE_ROOT ?? join(homeDir, 'workspaces')),
    archiveDir: resolve(env.COPILOT_ARCHIVE_DIR ?? join(homeDir, 'archive')),
    cacheDir: resolve(env.COPILOT_CACHE_DIR ?? envPaths('durable-copilot', { suffix: '' }).cache),
    taskQueue: env.COPILOT_TASK_QUEUE,
    ...(build === undefined ? {} : { build: Object.freeze(build) }),
    logLevel: env.COPILOT_LOG_LEVEL,
    ...(env.COPILOT_METRICS_PORT === undefined ? {} : { metricsPort: env.COPILOT_METRICS_PORT }),
    ...readAgents(env, defaults),
    promiseStacks: env.COPILOT_PROMISE_STACKS === '1',
    ...readSessionIdle(env),
    encryptionKeys: Object.freeze(encryptionKeys),
    ...(payloadStore === undefined ? {} : { payloadStore: Object.freeze(payloadStore) }),
    maxFileBytes: env.COPILOT_MAX_FILE_MIB * 1_024 * 1_024,
    ...readCallers(env),
    gatewayLimits: Object.freeze({
      requestsPerMinute: env.COPILOT_GATEWAY_REQUESTS_PER_MINUTE,
      streams: env.COPILOT_GATEWAY_STREAMS,
      sessionsAtWork: env.COPILOT_GATEWAY_SESSIONS_AT_WORK,
      bodyBytes: env.COPILOT_GATEWAY_BODY_MIB * 1_024 * 1_024,
    }),
    ...readDirectText(env, encryptionKeys.length > 0),
    ...(traces === undefined ? {} : { traces }),
    environment: passedOn,
    trustTeams: env.COPILOT_TRUST_TEAMS === '1',
    denyTools: Object.freeze(env.COPILOT_DENY_TOOLS),
    ...(env.COPILOT_CODE_RUNNER === undefined ? {} : { codeRunner: env.COPILOT_CODE_RUNNER }),
    network: Object.freeze({
      allow: Object.freeze(env.COPILOT_FETCH_ALLOW),
      private: env.COPILOT_FETCH_PRIVATE === '1',
    }),
    webhooksMayBePrivate: env.COPILOT_WEBHOOK_PRIVATE === '1',
    model: Object.freeze(readModel(env, given)),
    temporal: Object.freeze({
      ...(given['TEMPORAL_ADDRESS'] === undefined ? {} : { address: given['TEMPORAL_ADDRESS'] }),
      ...(env.COPILOT_UI_URL === undefined ? {} : { uiUrl: env.COPILOT_UI_URL }),
      environment: passedOn,
    }),
  });
}

function parseEnvironment(
  environment: NodeJS.ProcessEnv,
  given: Readonly<Record<string, string>>,
): z.infer<typeof Environment> {
  const explicitlyEmpty = (name: string): boolean => environment[name] === '' && name.startsWith('AGENT_');
  const parsed = Environment.safeParse(
    Object.fromEntries(
      Object.keys(Environment.shape).flatMap((name) =>
        given[name] !== undefined || explicitlyEmpty(name) ? [[name, environment[name]]] : [],
      ),
    ),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const name = String(issue?.path[0] ?? 'environment');
    throw new CopilotError('InvalidConfig', {
      name,
      value: isSecret(name) ? '(hidden)' : (environment[name] ?? ''),
      problem: issue === undefined ? 'not valid' : issueText(issue, environment[name] ?? ''),
    });
  }
  return parsed.data;
}

/** For another process of this program: all of it, secrets included. */
export function programEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

function readModel(env: z.infer<typeof Environment>, given: Readonly<Record<string, string>>): Config['model'] {
  return {
    ...(env.OPENAI_API_KEY === undefined ? {} : { apiKey: env.OPENAI_API_KEY }),
    ...(env.OPENAI_BASE_URL === undefined ? {} : { baseUrl: env.OPENAI_BASE_URL }),
    ...(env.COPILOT_MODEL_API === undefined ? {} : { api: env.COPILOT_MODEL_API }),
    ...(env.COPILOT_MODEL_HEADERS === undefined ? {} : { headers: env.COPILOT_MODEL_HEADERS }),
    firstByteMs: 1_000 * env.COPILOT_FIRST_BYTE_SECONDS,
    betweenBytesMs: 1_000 * env.COPILOT_SILENCE_SECONDS,
    ...readProxy(given),
    ...(env.COPILOT_MODEL === undefined ? {} : { name: env.COPILOT_MODEL }),
  };
}

function readAgents(
  env: z.infer<typeof Environment>,
  {
    teams = join(packageDir, 'agents'),
    agentPoolSize = 1,
    agentCacheSize = 32,
    agentIdleMs = 1_800_000,
    warm = true,
  }: ConfigDefaults,
): Pick<Config, 'agentsDir' | 'agentPoolSize' | 'agentCacheSize' | 'agentIdleMs' | 'warm'> {
  const { AGENT_IDLE_SECONDS: idleSeconds, COPILOT_WARM: warms } = env;
  return {
    agentsDir: teamFolders(env.COPILOT_AGENTS_DIR ?? teams),
    agentPoolSize: env.AGENT_POOL_SIZE ?? agentPoolSize,
    agentCacheSize: env.AGENT_CACHE_SIZE ?? agentCacheSize,
    agentIdleMs: idleSeconds === undefined ? agentIdleMs : 1_000 * idleSeconds,
    warm: warms === undefined ? warm : warms === '1',
  };
}

function readSessionIdle({ COPILOT_SESSION_IDLE_SECONDS: seconds }: z.infer<typeof Environment>): {
  sessionIdleMs?: number | null;
} {
  if (seconds === undefined) return {};
  return { sessionIdleMs: seconds === 'never' ? null : 1_000 * seconds };
}

/** Who may call codec server and gateway. */
function readCallers(env: z.infer<typeof Environment>): Pick<Config, 'codecToken' | 'gatewayTokens'> {
  const codec = env.COPILOT_CODEC_TOKEN === undefined ? {} : { codecToken: env.COPILOT_CODEC_TOKEN };
  const names = ['COPILOT_GATEWAY_JWKS_URL', 'COPILOT_GATEWAY_ISSUER', 'COPILOT_GATEWAY_AUDIENCE'] as const;
  const [jwksUrl, issuer, audience] = names.map((name) => env[name]);
  if (jwksUrl !== undefined && issuer !== undefined && audience !== undefined) {
    return { ...codec, gatewayTokens: Object.freeze({ jwksUrl, issuer, audience }) };
  }
  const missing = names.find((name) => env[name] === undefined) ?? '';
  if (names.every((name) => env[name] === undefined)) return codec;
  const problem = `tokens need all three: ${names.join(', ')}`;
  throw new CopilotError('InvalidConfig', { name: missing, value: '', problem });
}

/** A deployment without a build id, or the reverse, is a mistake. */
function readBuild({
  COPILOT_DEPLOYMENT: deploymentName,
  COPILOT_BUILD_ID: buildId,
}: z.infer<typeof Environment>): Build | undefined {
  if (deploymentName !== undefined && buildId !== undefined) return { deploymentName, buildId };
  if (deploymentName === undefined && buildId === undefined) return undefined;
  const [name, other] =
    buildId === undefined ? ['COPILOT_BUILD_ID', 'COPILOT_DEPLOYMENT'] : ['COPILOT_DEPLOYMENT', 'COPILOT_BUILD_ID'];
  throw new CopilotError('InvalidConfig', { name, value: '', problem: `${other} is set; set both or neither` });
}

/** Never shown to teams and other programs. */
const HIDDEN: readonly string[] = ['COPILOT_ENCRYPTION_KEYS', 'COPILOT_CODEC_TOKEN'];

function readStoreAddress(given: Readonly<Record<string, string>>): PayloadStoreAddress | undefined {
  const { COPILOT_PAYLOAD_STORE: value } = given;
  const address = value === undefined ? undefined : parseStoreAddress(value, given);
  if (typeof address !== 'string') return address;
  throw new CopilotError('InvalidConfig', { name: 'COPILOT_PAYLOAD_STORE', value: value ?? '', problem: address });
}
