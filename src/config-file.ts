/** `copilot.config.ts` in the current folder: what a worker takes from code, such as tools and providers of models. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { ConfigDefaults } from './config.ts';
import { CopilotError } from './contracts/errors.ts';
import { issueText } from './contracts/issue-text.ts';
import { Json } from './contracts/json.ts';
import { Name } from './contracts/team.ts';
import type { Provider } from './models/model.ts';
import { parseAddress } from './models/openai/address.ts';
import type { OpenAiOptions } from './models/openai/provider.ts';
import { ceilingsOf } from './tools/approval/ceilings.ts';
import type { CodeRunner } from './tools/code/code-runner.ts';
import { isTool } from './tools/definition/define-tool.ts';
import type { Tool } from './tools/definition/tool.ts';
import { nearest } from './tools/nearest.ts';
import { withOwnTools } from './tools/registry.ts';

/** An API that speaks OpenAI's forms, by its settings. The name is the key in {@link CopilotConfig.providers}. */
export type ProviderSettings = Omit<OpenAiOptions, 'name'>;

export interface CopilotConfig extends ConfigDefaults {
  /**
   * Providers of models by name. An agent names a model `provider/name`. Each is a {@link Provider}, such as
   * `aiSdk(createAnthropic())`, or the settings of an API that speaks OpenAI's forms.
   */
  readonly providers?: Readonly<Record<string, Provider | ProviderSettings>>;
  /** The provider of models that are named without one. Default: the one that the environment names. */
  readonly defaultProvider?: string;
  /** Tools of your own, made by `defineTool`. Agents that may call one list it in `tools:`. */
  readonly tools?: readonly Tool[];
  /**
   * Runs the code of agents (`run_code`, `shell`), such as `containerRunner({ image: 'node:24' })`. Default: what
   * COPILOT_CODE_RUNNER names, or child processes of the worker.
   */
  readonly codeRunner?: CodeRunner;
  /** What the worker never runs, whatever session, team or person say: categories, names of tools, `server.*`. */
  readonly ceilings?: { readonly deny: readonly string[] };
}

/** Gives the types of a `copilot.config.ts`. */
export function defineConfig(config: CopilotConfig): CopilotConfig {
  return config;
}

const NAMES = ['copilot.config.ts', 'copilot.config.js', 'copilot.config.mjs'];

const baseUrl = z.string().superRefine((text, check) => {
  try {
    parseAddress(text, 'baseUrl');
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    check.addIssue(String(error.details['problem']));
  }
});
const proxyUrl = z.url({ protocol: /^https?$/, error: 'use a URL such as http://proxy.example:3128' });

const Settings = z.strictObject({
  baseUrl: baseUrl.optional(),
  apiKey: z.string().optional(),
  api: z.enum(['responses', 'chat']).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.record(z.string(), Json).optional(),
  firstByteMs: z.int().min(0).optional(),
  betweenBytesMs: z.int().min(0).optional(),
  proxy: z
    .strictObject({
      httpProxy: proxyUrl.optional(),
      httpsProxy: proxyUrl.optional(),
      noProxy: z.string().optional(),
    })
    .optional(),
});

const isProvider = (value: unknown): value is Provider =>
  typeof value === 'object' && value !== null && 'model' in value && typeof value.model === 'function';

const isRunner = (value: unknown): value is CodeRunner =>
  typeof value === 'object' && value !== null && 'run' in value && typeof value.run === 'function';

const ConfigFile = z.strictObject({
  tools: z.array(z.custom<Tool>(isTool, 'it is not made by defineTool')).optional(),
  providers: z.record(Name, z.union([z.custom<Provider>(isProvider), Settings])).optional(),
  defaultProvider: z.string().optional(),
  codeRunner: z.custom<CodeRunner>(isRunner, 'it has no method `run`').optional(),
  ceilings: z.strictObject({ deny: z.array(z.string()) }).optional(),
  teams: z.union([z.string(), z.array(z.string())]).optional(),
  agentPoolSize: z.int().min(1).optional(),
  agentCacheSize: z.int().min(1).optional(),
  agentIdleMs: z.int().min(1_000).optional(),
  warm: z.boolean().optional(),
});

/**
 * Loads the file of a folder.
 * @returns nothing set if there is none
 * @throws CopilotError `InvalidInput` with the file, the place and what is wrong
 */
export async function loadConfigFile(folder: string): Promise<CopilotConfig> {
  const file = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) return {};
  const source = await readFile(file, 'utf8');
  const fail = (problem: string, { path = [], cause }: { path?: PropertyKey[]; cause?: unknown } = {}): never => {
    const line = lineOf(source, path);
    const what = line === undefined ? file : `${file}, line ${line},`;
    throw new CopilotError('InvalidInput', { what, problem }, { cause });
  };
  let loaded: unknown;
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    // A promise would count as an object without any keys.
    loaded = await module.default;
  } catch (cause) {
    return fail(`it cannot be loaded (${describe(cause, file).replace(/\.$/, '')})`, { cause });
  }
  if (loaded === undefined) return fail('it has no default export; write `export default defineConfig({ … })`');
  const parsed = ConfigFile.safeParse(loaded, { reportInput: true });
  if (!parsed.success) {
    const issue = innermost(parsed.error);
    if (issue?.code === 'unrecognized_keys') {
      const [key = ''] = issue.keys;
      return fail(unknownKey(key, issue.path), { path: [...issue.path, key] });
    }
    const path = issue?.path ?? [];
    const problem = issue === undefined ? 'not valid' : issueText(issue, issue.input ?? null);
    return fail(`${path.join('.') || 'the default export'}: ${problem}`, { path });
  }
  const { defaultProvider, providers = {} } = parsed.data;
  if (defaultProvider !== undefined && !Object.hasOwn(providers, defaultProvider)) {
    const known = Object.keys(providers).join(', ');
    return fail(`defaultProvider: there is no provider "${defaultProvider}"; there are ${known}`, {
      path: ['defaultProvider'],
    });
  }
  try {
    const tools = withOwnTools(parsed.data.tools);
    ceilingsOf(tools, [], parsed.data.ceilings?.deny);
  } catch (cause) {
    if (!(cause instanceof CopilotError)) throw cause;
    return cause.type === 'InvalidTool'
      ? fail(cause.message.replace(/\.$/, ''), { cause })
      : fail(`ceilings.deny: ${cause.details['problem']}`, { path: ['ceilings', 'deny'], cause });
  }
  // Checked above; undefined values are those that the file has.
  return parsed.data as CopilotConfig;
}

/**
 * Checks providers that are given in code, as those of the file are.
 * @throws CopilotError `InvalidInput` with the place and what is wrong, and no values, which may be secrets
 */
export function checkProviders(providers: CopilotConfig['providers']): void {
  const parsed = ConfigFile.pick({ providers: true }).safeParse({ providers }, { reportInput: true });
  const issue = parsed.success ? undefined : innermost(parsed.error);
  if (issue === undefined) return;
  throw new CopilotError('InvalidInput', {
    what: issue.path.join('.'),
    problem: issueText(issue, issue.input ?? null),
  });
}

/** The first issue. A provider is an object of its own or settings, and people mostly mean settings. */
function innermost(error: z.ZodError): z.core.$ZodIssue | undefined {
  const [issue] = error.issues;
  const inner = issue?.code === 'invalid_union' ? issue.errors.at(-1)?.[0] : undefined;
  return issue && inner ? { ...inner, path: [...issue.path, ...inner.path] } : issue;
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const known = path.length === 0 ? Object.keys(ConfigFile.shape) : [];
  const near = nearest(key, known);
  const hint =
    near === undefined ? (known.length === 0 ? '' : `; there are ${known.join(', ')}`) : `; the nearest is "${near}"`;
  return `there is no key "${[...path, key].join('.')}"${hint}`;
}

/** The line in which the names of the path stand one after the other. Undefined if they do not, as in a list that code made. */
function lineOf(source: string, path: readonly PropertyKey[]): number | undefined {
  const names = path.filter((name) => typeof name === 'string');
  if (names.length === 0) return undefined;
  // What is imported has the same names.
  const imports = [...source.matchAll(/^import\b[^'"]*['"].*$/gm)].at(-1);
  let at = imports ? imports.index + imports[0].length : 0;
  for (const name of names) {
    const escaped = name.replaceAll(/\W/g, String.raw`\$&`);
    const found = new RegExp(`(?<![\\w$])['"]?${escaped}['"]?\\s*[:,}(]`).exec(source.slice(at));
    if (!found) return undefined;
    at += found.index + found[0].length;
  }
  return source.slice(0, at).split('\n').length;
}

/** The error with the line that it comes from, of this file or of one that it imports. */
function describe(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error);
  const { message, stack = '' } = error;
  const [, place] = stack.split(`${file}:`);
  const line = /^\d+/.exec(place ?? '')?.[0];
  if (line !== undefined) return `line ${line}: ${message}`;
  const [, other, itsLine] = /file:\/\/(\S+?):(\d+)/.exec(stack) ?? [];
  return other === undefined ? message : `${other}, line ${itsLine}: ${message}`;
}
