/** Where the models of a worker come from. Each team opens connections of its own, and closes them when it closes. */
import type { Config } from '../../config.ts';
import type { CopilotConfig } from '../../config-file.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { ModelRequest, Provider } from '../../models/model.ts';
import { Dialects } from '../../models/dialects.ts';
import { OPENAI_API } from '../../models/openai/client.ts';
import { openAi, type OpenAiOptions } from '../../models/openai/provider.ts';
import { Providers } from '../../models/providers.ts';
import { requirePackage } from '../../optional-package.ts';

export interface ModelSource {
  /** For people: a base URL, `OpenAI`, the name of a provider, or `offline`. */
  readonly name: string;
  /** Opens the providers for one team. */
  open(): Providers;
  /** Closes the providers that came as objects, and the offline model. */
  close(): Promise<void>;
}

/**
 * The providers of the config file; first the one that it or the environment names, or the offline model.
 * @param onLesson hears what models refuse
 */
export async function openModelSource(
  { model }: Pick<Config, 'model'>,
  { providers = {}, defaultProvider }: CopilotConfig,
  onLesson: NonNullable<ModelRequest['onLesson']>,
): Promise<ModelSource> {
  const named = Object.entries(providers).map(([name, given]) => [name, opener(name, given)] as const);
  const first = named.find(([name]) => name === defaultProvider)?.[1];
  if (defaultProvider !== undefined && !first) {
    const problem = `there is no such provider; there are ${Object.keys(providers).join(', ') || 'none'}`;
    throw new CopilotError('InvalidInput', { what: `defaultProvider ("${defaultProvider}")`, problem });
  }
  const fallback = first ? undefined : await defaultOpener(model);
  const objects = Object.values(providers).filter(isProvider);
  return {
    name: defaultProvider ?? fallback?.name ?? '',
    open: () => {
      const opened = Object.fromEntries(named.map(([name, open]) => [name, open()]));
      const own = defaultProvider === undefined ? undefined : opened[defaultProvider];
      const serving = own ?? fallback?.open();
      if (!serving) throw new TypeError('there is no default provider'); // one of the two is there
      return new Providers(serving, opened, onLesson);
    },
    close: async () => {
      await Promise.all(objects.map((provider) => provider.close()));
      await fallback?.close?.();
    },
  };
}

type Open = () => Provider;

function isProvider(given: object): given is Provider {
  return 'model' in given;
}

/** A provider that came as an object belongs to whoever made it, and all teams share it. */
function opener(name: string, given: Provider | OpenAiOptions): Open {
  if (!isProvider(given)) return openerOf({ ...given, name });
  const { name: own, api } = given;
  const model = given.model.bind(given);
  return () => ({ name: own, ...(api === undefined ? {} : { api }), model, close: () => Promise.resolve() });
}

/**
 * What models refuse is learnt once for all teams.
 * @throws CopilotError `PackageMissing`, already when the worker starts and not at the first call of a session
 */
function openerOf(options: OpenAiOptions): Open {
  requirePackage('openai', OPENAI_API);
  const dialects = new Dialects();
  return () => openAi(options, dialects);
}

interface Default {
  readonly name: string;
  readonly open: Open;
  readonly close?: () => Promise<void>;
}

async function defaultOpener({ name: _, ...settings }: Config['model']): Promise<Default> {
  if (settings.apiKey !== undefined || settings.baseUrl !== undefined) {
    return { name: settings.baseUrl ?? 'OpenAI', open: openerOf(settings) };
  }
  const { startOfflineModel } = await import('../../../dev/offline-model/server.ts');
  const offline = await startOfflineModel();
  const open = openerOf({ baseUrl: offline.baseUrl, apiKey: 'offline', name: 'offline' });
  return { name: 'offline', open, close: () => offline.close() };
}
