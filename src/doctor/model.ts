/** Checks key and model by one free request for the list of models. No result contains a key. */
import { z } from 'zod';
import type { Config } from '../config.ts';
import { OPENAI_URL } from '../models/openai/address.ts';
import { type Check, missing, ok, warning } from './check.ts';
import { parseJson } from '../contracts/json.ts';

const TIMEOUT_MS = 5_000;
const SHOWN_MODELS = 5;
/** Status of servers that speak chat completions but have no list of models. */
const NO_LIST = [404, 405, 501];

const ModelList = z.object({ data: z.array(z.object({ id: z.string() })) });

/** @param wanted names of the models that the teams ask for; COPILOT_MODEL takes their place */
export async function checkModel({ model }: Config, wanted: readonly string[]): Promise<Check[]> {
  const { apiKey, baseUrl, name } = model;
  if (apiKey === undefined && baseUrl === undefined) {
    const offline = 'a scripted model answers; set OPENAI_API_KEY or OPENAI_BASE_URL for a real one';
    return [
      ok('key', 'OPENAI_API_KEY is not set, and the offline model needs none'),
      ok('model', `offline: ${offline}`),
    ];
  }
  const key = apiKey === undefined ? 'OPENAI_API_KEY is not set; requests go without one' : 'OPENAI_API_KEY is set';
  return [ok('key', key), await checkList(baseUrl ?? OPENAI_URL, apiKey, name === undefined ? wanted : [name])];
}

async function checkList(baseUrl: string, apiKey: string | undefined, wanted: readonly string[]): Promise<Check> {
  const url = new URL(`${baseUrl.replace(/\/+$/, '')}/models`);
  const shown = `${url.origin}${url.pathname}`;
  if (url.username !== '' || url.password !== '') {
    return missing(
      'model',
      `OPENAI_BASE_URL has a user name or password in it, which no request can`,
      `Set it without: export OPENAI_BASE_URL=${shown.replace(/\/models$/, '')}`,
    );
  }
  try {
    const response = await fetch(url, {
      headers: { Accept: 'application/json', ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) return judgeList(shown, await response.text(), wanted);
    await response.body?.cancel();
    return judgeStatus(shown, response.status, wanted);
  } catch (error) {
    return missing(
      'model',
      `${shown}: ${describeFetchError(error)}`,
      `Start that server, or name another: export OPENAI_BASE_URL=…`,
    );
  }
}

function judgeList(shown: string, text: string, wanted: readonly string[]): Check {
  const list = ModelList.safeParse(parseJson(text));
  if (!list.success) {
    return warning(
      'model',
      `${shown} answers, but with no list of models`,
      'Look at what it says: copilot start "hello" --wait',
    );
  }
  const known = list.data.data.map(({ id }) => id);
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length === 0) return ok('model', `${wanted.join(', ')} at ${shown}`);
  const some = known.slice(0, SHOWN_MODELS).join(', ');
  const more = known.length > SHOWN_MODELS ? ` and ${known.length - SHOWN_MODELS} more` : '';
  return warning(
    'model',
    `${shown} does not list ${unknown.join(', ')}; it has ${some === '' ? 'none' : some}${more}`,
    `Name one that it has, for all teams: export COPILOT_MODEL=${known[0] ?? '…'}`,
  );
}

function judgeStatus(shown: string, status: number, wanted: readonly string[]): Check {
  if (status === 401 || status === 403) {
    return missing(
      'model',
      `${shown} refuses the request (status ${status})`,
      'Set the right key: export OPENAI_API_KEY=…',
    );
  }
  const hint = 'Try a turn: copilot start "hello" --mode one-shot --wait';
  return NO_LIST.includes(status)
    ? warning(
        'model',
        `${shown}: no list of models (status ${status}), so that ${wanted.join(', ')} is not known to be there`,
        hint,
      )
    : warning('model', `${shown} answers with status ${status}`, hint);
}

/** Uses only the system's error code, because messages of `fetch` can quote the request and its key. */
function describeFetchError(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return code === ''
    ? 'the request cannot be made; check OPENAI_API_KEY and OPENAI_BASE_URL'
    : `no connection (${code})`;
}
