/** `copilot.config.ts` in the current folder: what a worker takes from code, such as providers of models. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { CopilotError } from './contracts/errors.ts';
import { Name } from './contracts/team.ts';
import type { Provider } from './models/model.ts';
import type { OpenAiOptions } from './models/openai/provider.ts';
import { isTool } from './tools/definition/define-tool.ts';
import type { Tool } from './tools/definition/tool.ts';

/** An API that speaks OpenAI's forms, by its settings. The name is the key in {@link CopilotConfig.providers}. */
export type ProviderSettings = Omit<OpenAiOptions, 'name'>;

export interface CopilotConfig {
  /**
   * Providers of models by name. An agent names a model `provider/name`. Each is a {@link Provider}, such as
   * `aiSdk(createAnthropic())`, or the settings of an API that speaks OpenAI's forms.
   */
  readonly providers?: Readonly<Record<string, Provider | ProviderSettings>>;
  /** The provider of models that are named without one. Default: the one that the environment names. */
  readonly defaultProvider?: string;
  /** Tools of your own, made by `defineTool`. Agents that may call one list it in `tools:`. */
  readonly tools?: readonly Tool[];
  /** What the worker never runs, whatever session, team or person say: categories, names of tools, `server.*`. */
  readonly ceilings?: { readonly deny: readonly string[] };
}

/** Gives the types of a `copilot.config.ts`. */
export function defineConfig(config: CopilotConfig): CopilotConfig {
  return config;
}

const NAMES = ['copilot.config.ts', 'copilot.config.js', 'copilot.config.mjs'];

const Settings = z.strictObject({
  baseUrl: z.string().optional(),
  apiKey: z.string().optional(),
  api: z.enum(['responses', 'chat']).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  firstByteMs: z.int().min(0).optional(),
  betweenBytesMs: z.int().min(0).optional(),
  proxy: z
    .strictObject({
      httpProxy: z.string().optional(),
      httpsProxy: z.string().optional(),
      noProxy: z.string().optional(),
    })
    .optional(),
});

const isProvider = (value: unknown): value is Provider =>
  typeof value === 'object' && value !== null && 'model' in value && typeof value.model === 'function';

const ConfigFile = z.strictObject({
  tools: z.array(z.custom<Tool>(isTool, 'it is not made by defineTool')).optional(),
  providers: z.record(Name, z.union([z.custom<Provider>(isProvider), Settings])).optional(),
  defaultProvider: z.string().optional(),
  ceilings: z.strictObject({ deny: z.array(z.string()) }).optional(),
});

/**
 * Loads the file of a folder.
 * @returns nothing set if there is none
 * @throws CopilotError `InvalidInput` with the file, the place and what is wrong
 */
export async function loadConfigFile(folder: string): Promise<CopilotConfig> {
  const file = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) return {};
  const fail = (problem: string, cause?: unknown): never => {
    throw new CopilotError('InvalidInput', { what: file, problem }, { cause });
  };
  let loaded: unknown;
  try {
    ({ default: loaded } = (await import(pathToFileURL(file).href)) as { default?: unknown });
  } catch (error) {
    return fail(`it cannot be loaded (${describe(error, file)})`, error);
  }
  if (loaded === undefined) return fail('it has no default export; write `export default defineConfig({ … })`');
  const parsed = ConfigFile.safeParse(loaded);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return fail(`${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'not valid'}`);
  }
  const { defaultProvider, providers = {} } = parsed.data;
  if (defaultProvider !== undefined && !Object.hasOwn(providers, defaultProvider)) {
    return fail(
      `defaultProvider: there is no provider "${defaultProvider}"; there are ${Object.keys(providers).join(', ')}`,
    );
  }
  // Checked above; undefined values are those that the file has.
  return parsed.data as CopilotConfig;
}

/** The error with the line of the file that it comes from. */
function describe(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error);
  const [, place] = (error.stack ?? '').split(`${file}:`);
  const line = /^\d+/.exec(place ?? '')?.[0];
  return line === undefined ? error.message : `line ${line}: ${error.message}`;
}
