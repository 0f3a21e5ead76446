/**
 * Tries each model that the teams ask for, with one small call of a tool and one small answer in a form, and says what
 * it takes. No result contains a key.
 */
import { z } from 'zod';
import type { Config } from '../config.ts';
import type { CopilotConfig } from '../config-file.ts';
import { CopilotError } from '../contracts/errors.ts';
import { classify, type ModelError, type Refusal } from '../models/errors.ts';
import type { ModelReply, ModelRequest, Provider } from '../models/model.ts';
import { readStructured } from '../models/reading/structured.ts';
import { openModelSource } from '../worker/host/model-source.ts';
import { type Check, missing, ok, warning } from './check.ts';
import { shortenText } from '../contracts/text-cut.ts';

/** Longest time for both requests to one model: a local server may have to load it first. */
const TRIAL_MS = 90_000;
const LIST_MS = 5_000;
/** Longest reply in tokens, reasoning included. */
const MAX_OUTPUT_TOKENS = 2_000;
const SHOWN_MODELS = 5;
const SHOWN_TEXT = 120;

/** A model as agents name it, and the places that name it. */
interface Found {
  readonly reference: string;
  readonly provider: Provider;
  /** What the provider calls it. */
  readonly name: string;
}

export interface ModelCheckOptions {
  /** What `copilot.config.ts` says. */
  readonly file?: CopilotConfig;
  /** Longest time for one model, in milliseconds. Default 90 s. */
  readonly trialMs?: number;
}

/** @param wanted names of the models that the teams ask for; COPILOT_MODEL takes their place */
export async function checkModels(
  config: Config,
  wanted: readonly string[],
  { file = {}, trialMs = TRIAL_MS }: ModelCheckOptions = {},
): Promise<Check[]> {
  const names = [...new Set(config.model.name === undefined ? wanted : [config.model.name])];
  const source = await openModelSource(config, file, () => undefined);
  try {
    const models = source.open();
    const found = names.map((reference) => ({ reference, ...models.find(reference) }));
    // Models of one provider are tried one after another: a local server may hold one at a time.
    const groups = [...Map.groupBy(found, ({ provider }) => provider).values()];
    const checks = await Promise.all(groups.map((group) => tryEach(group, trialMs)));
    await models.close();
    return [...checkKey(config, file), ...checks.flat()];
  } catch (error) {
    if (!(error instanceof CopilotError) || error.type !== 'InvalidConfig') throw error;
    const { name, problem } = error.details;
    return [missing('model', `${String(name)} is not valid: ${String(problem)}`, 'Correct it, then: copilot doctor')];
  } finally {
    await source.close();
  }
}

function isOffline({ model }: Config, { defaultProvider }: CopilotConfig): boolean {
  return defaultProvider === undefined && model.apiKey === undefined && model.baseUrl === undefined;
}

/** The key of the environment, if the environment names the default provider. */
function checkKey(config: Config, file: CopilotConfig): Check[] {
  if (file.defaultProvider !== undefined) return [];
  if (isOffline(config, file)) return [ok('key', 'OPENAI_API_KEY is not set, and the offline model needs none')];
  const isSet = config.model.apiKey !== undefined;
  return [ok('key', `OPENAI_API_KEY is ${isSet ? 'set' : 'not set; requests go without one'}`)];
}

async function tryEach(group: readonly Found[], trialMs: number): Promise<Check[]> {
  const checks: Check[] = [];
  for (const found of group) checks.push(await tryModel(found, trialMs));
  return checks;
}

const Sum = z.object({ sum: z.number() });
const { $schema: _, ...SUM_SCHEMA } = z.toJSONSchema(Sum);

const TOOL = {
  name: 'add',
  description: 'Adds two numbers.',
  parameters: {
    type: 'object',
    properties: { a: { type: 'number' }, b: { type: 'number' } },
    required: ['a', 'b'],
    additionalProperties: false,
  },
};

async function tryModel(found: Found, trialMs: number): Promise<Check> {
  const { reference, provider, name } = found;
  const check = `model ${reference}`;
  if (provider.name === 'offline') {
    return ok(check, 'offline: a scripted model answers; set OPENAI_API_KEY or OPENAI_BASE_URL for a real one');
  }
  const gaveUp: string[] = [];
  const signal = AbortSignal.timeout(trialMs);
  const ask = (text: string, more: Partial<ModelRequest>): Promise<ModelReply> =>
    provider.model(name).reply({
      system: 'Do what the message asks for, and nothing else.',
      messages: [{ role: 'user', text }],
      maxOutputTokens: MAX_OUTPUT_TOKENS,
      signal,
      onLesson: (lesson) => gaveUp.push(lesson.gaveUp),
      ...more,
    });
  try {
    const called = await ask('Call the tool add with 17 and 25.', { tools: [TOOL] });
    const answered = await ask('Add 17 and 25. Answer with JSON: {"sum": …}', {
      output: { name: 'sum', schema: SUM_SCHEMA },
    });
    return judge(check, provider, { called, answered, gaveUp });
  } catch (error) {
    if (signal.aborted) {
      const hint = 'If it is still being loaded, try again: copilot doctor';
      return warning(check, `${apiOf(provider)} did not answer within ${trialMs / 1_000} s`, hint);
    }
    return await explain(check, found, classify(error));
  }
}

interface Trial {
  readonly called: ModelReply;
  readonly answered: ModelReply;
  /** What the dialect learnt in both requests. */
  readonly gaveUp: readonly string[];
}

const OUTPUT = 'output by ';

function judge(check: string, provider: Provider, { called, answered, gaveUp }: Trial): Check {
  const calls = called.toolCalls.some(({ name, problem }) => name === TOOL.name && problem === undefined);
  const reads = Sum.safeParse(readStructured(answered.text, SUM_SCHEMA, answered.finish === 'length')).success;
  const forms = gaveUp.includes(`${OUTPUT}json`)
    ? 'the prompt'
    : gaveUp.includes(`${OUTPUT}schema`)
      ? 'JSON'
      : 'schema';
  const given = [...new Set(gaveUp)].filter((what) => !what.startsWith(OUTPUT));
  const without = given.length === 0 ? '' : `; gave up ${given.join(', ')}`;
  const problems = [
    ...(calls ? [] : [`it made no tool call, but said ${shown(called)}`]),
    ...(reads ? [] : [`its JSON cannot be read: ${shown(answered)}`]),
  ];
  if (problems.length > 0) {
    const hint = 'Use a model that calls tools and writes JSON, for all teams: export COPILOT_MODEL=…';
    return warning(check, `${apiOf(provider)}: ${problems.join('; ')}${without}`, hint);
  }
  const written = called.wroteCalls === true ? 'written in text' : 'native';
  return ok(check, `${apiOf(provider)}: tool calls ${written}, forms by ${forms}${without}`);
}

function apiOf({ api, name }: Provider): string {
  return api ?? name;
}

/** What the model said, on one line and not too long. */
function shown({ text, finish }: ModelReply): string {
  const said = text.trim().replaceAll(/\s+/g, ' ');
  if (finish === 'length') return `more than ${MAX_OUTPUT_TOKENS} tokens`;
  return said === '' ? 'nothing' : `"${shortenText(said, SHOWN_TEXT)}"`;
}

const ADVICE: Readonly<Partial<Record<Refusal, string>>> = {
  credit: "Add credit to the provider's account",
  quota: 'Have the quota raised, or use another model: export COPILOT_MODEL=…',
  access: 'Use another provider or network',
  memory: 'Use a smaller model: export COPILOT_MODEL=…',
};

async function explain(check: string, found: Found, error: ModelError): Promise<Check> {
  const { reference, provider, name } = found;
  const detail = `${apiOf(provider)}: ${String(error.details['problem'])}`;
  // A name without its provider belongs to the default one, which the environment may name.
  const isNamed = reference !== name;
  const inFile = `Correct provider "${provider.name}" in copilot.config.ts`;
  if (error.type === 'ModelUnavailable') {
    return error.details['status'] === undefined
      ? missing(check, detail, isNamed ? inFile : 'Start that server, or name another: export OPENAI_BASE_URL=…')
      : warning(check, detail, 'Sessions wait for it. Look again later: copilot doctor');
  }
  const { refusal } = error.details as { refusal?: Refusal };
  if (refusal === 'key') return missing(check, detail, isNamed ? inFile : 'Set the right key: export OPENAI_API_KEY=…');
  if (refusal === 'address') {
    return missing(check, detail, isNamed ? inFile : 'Name a model API: export OPENAI_BASE_URL=https://…/v1');
  }
  if (refusal === 'model') {
    const known = await listed(provider);
    const more = known.length > SHOWN_MODELS ? ` and ${known.length - SHOWN_MODELS} more` : '';
    const has = known.length === 0 ? '' : `; it has ${known.slice(0, SHOWN_MODELS).join(', ')}${more}`;
    const prefix = reference.slice(0, reference.length - name.length);
    const hint = `Name one that it has, for all teams: export COPILOT_MODEL=${prefix}${known[0] ?? '…'}`;
    return missing(check, detail + has, hint);
  }
  return missing(check, detail, (refusal && ADVICE[refusal]) ?? 'Use another model: export COPILOT_MODEL=…');
}

/** @returns nothing if the provider has no list, or does not give it */
async function listed(provider: Provider): Promise<readonly string[]> {
  try {
    return (await provider.list?.(AbortSignal.timeout(LIST_MS))) ?? [];
  } catch {
    return [];
  }
}
