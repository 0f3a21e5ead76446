/**
 * The environment, read once and frozen. No other file reads `process.env`.
 *
 * Where the Temporal server is (address, namespace, TLS, API key) comes from Temporal's own
 * configuration file and variables: https://docs.temporal.io/develop/environment-configuration
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { domainToASCII, fileURLToPath } from 'node:url';
import envPaths from 'env-paths';
import { z } from 'zod';
import { CopilotError } from './contracts/errors.ts';
import type { NetworkRules } from './contracts/tool.ts';

const positiveInteger = (fallback: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/, 'use a whole number of at least 1')
    .transform(Number)
    .default(fallback);

/** Without a slash at its end, so that paths can be put behind it. */
const webAddress = (example: string) =>
  z.url({ protocol: /^https?$/, error: `use a URL such as ${example}` }).transform((url) => url.replace(/\/+$/, ''));

const optionalText = z.string().min(1, 'it is empty').optional();

const hostPatterns = z.string().transform((text, check) => {
  const patterns = text.split(',').map((pattern) => hostPattern(pattern.trim()));
  if (patterns.includes(undefined)) {
    check.addIssue('use host names separated by commas, such as example.org,*.example.org; no scheme, port or path');
  }
  return patterns.filter((pattern) => pattern !== undefined);
});

/** The host as URLs have it (lower case, international names in ASCII, IPv6 shortened and without brackets). */
function hostPattern(text: string): string | undefined {
  const address = text.replace(/^\[(.*)\]$/, '$1');
  if (isIPv6(address) && !address.includes('%')) return new URL(`http://[${address}]`).hostname.slice(1, -1);
  const wildcard = text.startsWith('*.') ? '*.' : '';
  // What follows these characters would be dropped, not refused.
  const host = /[/?#%\\]/.test(text) ? '' : domainToASCII(text.slice(wildcard.length).replace(/\.$/, ''));
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host) ? wildcard + host : undefined;
}

const PORT_HINT = 'use a port from 1 to 65535';

const Environment = z.object({
  COPILOT_HOME: optionalText,
  COPILOT_WORKSPACE_ROOT: optionalText,
  COPILOT_AGENTS_DIR: optionalText,
  COPILOT_ARCHIVE_DIR: optionalText,
  COPILOT_CACHE_DIR: optionalText,
  COPILOT_UI_URL: webAddress('http://localhost:8080').optional(),
  COPILOT_TASK_QUEUE: z.string().min(1, 'it is empty').max(200).default('copilot'),
  COPILOT_MODEL: optionalText,
  COPILOT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  COPILOT_FETCH_ALLOW: hostPatterns.default([]),
  COPILOT_FETCH_PRIVATE: z.enum(['0', '1'], 'use 1 for yes or 0 for no').default('0'),
  COPILOT_METRICS_PORT: z
    .string()
    .regex(/^[1-9][0-9]{0,4}$/, PORT_HINT)
    .transform(Number)
    .refine((port) => port <= 65_535, PORT_HINT)
    .optional(),
  AGENT_POOL_SIZE: positiveInteger(1),
  AGENT_CACHE_SIZE: positiveInteger(32),
  OPENAI_API_KEY: optionalText,
  OPENAI_BASE_URL: z.url('use a URL such as http://localhost:11434/v1').optional(),
});

/** Everything the program takes from its environment. Paths are absolute. */
export interface Config {
  /** Folder of local state: server database, workspaces. `COPILOT_HOME`, default `.copilot` in the working directory. */
  readonly homeDir: string;
  /** Parent folder of the sessions' workspaces. `COPILOT_WORKSPACE_ROOT`, default `<home>/workspaces`. */
  readonly workspaceRoot: string;
  /** Where closed sessions leave their export, one file each. `COPILOT_ARCHIVE_DIR`, default `<home>/archive`. */
  readonly archiveDir: string;
  /** Folder with one subfolder per team. `COPILOT_AGENTS_DIR`, default `agents/` of this package. */
  readonly agentsDir: string;
  /** Cache outside the checkout, for the server binary and built bundles. `COPILOT_CACHE_DIR`, default the user's cache folder. */
  readonly cacheDir: string;
  /** Temporal task queue of the workers. `COPILOT_TASK_QUEUE`, default `copilot`. */
  readonly taskQueue: string;
  /** `COPILOT_LOG_LEVEL`, default `info`. */
  readonly logLevel: string;
  /** TCP port of a worker's metrics for Prometheus, on all addresses. `COPILOT_METRICS_PORT`, default none. */
  readonly metricsPort?: number;
  /** Team instances per digest. `AGENT_POOL_SIZE`, default 1. */
  readonly agentPoolSize: number;
  /** Most cache entries (team digests and private agents) kept open on a worker. `AGENT_CACHE_SIZE`, default 32. */
  readonly agentCacheSize: number;
  /** The environment as it was given: declarations of MCP servers in teams are filled from it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where `fetch_url` may go. `COPILOT_FETCH_ALLOW`, default every public host; `COPILOT_FETCH_PRIVATE`, default 0. */
  readonly network: NetworkRules;
  readonly model: {
    /** `OPENAI_API_KEY`. With neither key nor base URL the embedded offline model answers. */
    readonly apiKey?: string;
    /** `OPENAI_BASE_URL`, any server that speaks the chat completions API. */
    readonly baseUrl?: string;
    /** `COPILOT_MODEL` replaces the model name of every team. */
    readonly name?: string;
  };
  readonly temporal: {
    /** As Temporal's variables and profile say; undefined where neither names an address. */
    readonly address?: string;
    /** Web UI, without a slash at its end. `COPILOT_UI_URL`; known by itself only for a server of this program. */
    readonly uiUrl?: string;
    /** The environment as it was given, for `@temporalio/envconfig`. */
    readonly environment: Readonly<Record<string, string>>;
  };
}

/** Folder of this package: where `package.json` and `agents/` lie, in a checkout and when installed. */
export const packageDir = findPackageDir(dirname(fileURLToPath(import.meta.url)));

/** This program's version, from `package.json`. */
export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string }
).version;

/**
 * Reads and checks the environment.
 * @throws CopilotError `InvalidConfig` with the variable, its value and what is wrong
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => !!entry[1]),
  );
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
      value: environment[name] ?? '',
      problem: issue?.message ?? 'not valid',
    });
  }
  const env = parsed.data;
  const homeDir = resolve(env.COPILOT_HOME ?? '.copilot');
  return Object.freeze({
    homeDir,
    workspaceRoot: resolve(env.COPILOT_WORKSPACE_ROOT ?? join(homeDir, 'workspaces')),
    archiveDir: resolve(env.COPILOT_ARCHIVE_DIR ?? join(homeDir, 'archive')),
    agentsDir: resolve(env.COPILOT_AGENTS_DIR ?? join(packageDir, 'agents')),
    cacheDir: resolve(env.COPILOT_CACHE_DIR ?? envPaths('durable-copilot', { suffix: '' }).cache),
    taskQueue: env.COPILOT_TASK_QUEUE,
    logLevel: env.COPILOT_LOG_LEVEL,
    ...(env.COPILOT_METRICS_PORT === undefined ? {} : { metricsPort: env.COPILOT_METRICS_PORT }),
    agentPoolSize: env.AGENT_POOL_SIZE,
    agentCacheSize: env.AGENT_CACHE_SIZE,
    environment: given,
    network: Object.freeze({
      allow: Object.freeze(env.COPILOT_FETCH_ALLOW),
      private: env.COPILOT_FETCH_PRIVATE === '1',
    }),
    model: Object.freeze({
      ...(env.OPENAI_API_KEY === undefined ? {} : { apiKey: env.OPENAI_API_KEY }),
      ...(env.OPENAI_BASE_URL === undefined ? {} : { baseUrl: env.OPENAI_BASE_URL }),
      ...(env.COPILOT_MODEL === undefined ? {} : { name: env.COPILOT_MODEL }),
    }),
    temporal: Object.freeze({
      ...(given['TEMPORAL_ADDRESS'] === undefined ? {} : { address: given['TEMPORAL_ADDRESS'] }),
      ...(env.COPILOT_UI_URL === undefined ? {} : { uiUrl: env.COPILOT_UI_URL }),
      environment: given,
    }),
  });
}

function findPackageDir(from: string): string {
  let dir = from;
  while (!existsSync(join(dir, 'package.json'))) dir = dirname(dir);
  return dir;
}
