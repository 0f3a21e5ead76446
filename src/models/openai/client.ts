/** The HTTP side of OpenAI's API and its likes, over the `openai` package. */
import { LRUCache } from 'lru-cache';
import type OpenAI from 'openai';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { requirePackage } from '../../optional-package.ts';
import { classifyApiError } from '../errors.ts';
import { openTransport, type ProxySettings, readStart, type Transport } from '../transport.ts';
import { wellFormed } from '../well-formed.ts';
import type { Address } from './address.ts';
import { failedGeneration } from './chat-reply.ts';

export interface ApiOptions {
  readonly address: Address;
  readonly apiKey?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Longest time until the first byte, and longest time between two bytes, in milliseconds. */
  readonly firstByteMs: number;
  readonly betweenBytesMs: number;
  readonly proxy?: ProxySettings | undefined;
}

export interface ApiClient {
  /**
   * Sends a body to an endpoint such as `/responses`.
   * @throws CopilotError for an answer that is an error
   */
  post(endpoint: string, body: object, model: string, signal: AbortSignal): Promise<Response>;
  /** The names of the models that the API lists. @throws as `post`, and for an answer that is no list */
  list(signal: AbortSignal): Promise<string[]>;
  close(): void;
}

/** The SDK's own limit covers a whole call, however lively. The transport watches for silence instead. */
const NO_TIMEOUT_MS = 2_147_483_647;
/** Largest body of an error that is read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Largest list of models that is read, in bytes: some gateways have hundreds, each with prices and a description. */
const MAX_LIST_BYTES = 8 * 1024 * 1024;
/** Shortest key or header that is taken out of what servers say: a shorter one may be a word. */
const MIN_SECRET = 8;

/** Clients that are kept, one for each model: making one costs as much as sending a request. */
const MAX_CLIENTS = 100;

const ModelList = z.object({ data: z.array(z.object({ id: z.string() })) });

/** What needs the package, in messages. */
export const OPENAI_API = 'An OpenAI-compatible API';

/** @throws CopilotError `InvalidConfig`; `PackageMissing` */
export function openClient({ address, apiKey, headers, firstByteMs, betweenBytesMs, proxy }: ApiOptions): ApiClient {
  requirePackage('openai', OPENAI_API);
  for (const [name, value] of Object.entries({ 'API key': apiKey ?? '', ...headers })) requireHeader(name, value);
  const transport = openTransport({ firstByteMs, betweenBytesMs, proxy });
  const open = async (): Promise<OpenAI> =>
    new (await import('openai')).default({
      baseURL: address.baseUrl,
      apiKey: apiKey ?? 'none',
      // Given so that the SDK does not look for them in the environment, which is config.ts's to read.
      adminAPIKey: null,
      organization: null,
      project: null,
      webhookSecret: null,
      logLevel: 'off',
      maxRetries: 0,
      timeout: NO_TIMEOUT_MS,
      fetch: transport.fetch,
      defaultQuery: { ...address.query },
      defaultHeaders: {
        // A local server without a key gets no made-up one. Azure's key goes into a header of its own.
        ...(apiKey === undefined ? { Authorization: null } : {}),
        ...(apiKey !== undefined && isAzure(address) ? { 'api-key': apiKey, Authorization: null } : {}),
        ...headers,
      },
    });
  const secrets = [apiKey ?? '', ...Object.values(headers ?? {})].filter((value) => value.length >= MIN_SECRET);
  const clients = new LRUCache<string, OpenAI>({ max: MAX_CLIENTS });
  let client: Promise<OpenAI> | undefined;
  const forModel = async (model: string): Promise<OpenAI> => {
    const whole = await (client ??= open());
    const known = clients.get(model) ?? whole.withOptions({ fetch: checkedFetch(transport, secrets, model) });
    clients.set(model, known);
    return known;
  };
  return {
    post: async (path, body, model, signal) =>
      await (await forModel(model)).post(path, { body: wellFormed(body), signal }).asResponse(),
    list: async (signal) => {
      const response = await (await forModel('')).get('/models', { signal }).asResponse();
      return ModelList.parse(parsed(await readStart(response, MAX_LIST_BYTES))).data.map(({ id }) => id);
    },
    close: () => transport.close(),
  };
}

/** A key that was pasted with a curly quote would otherwise fail in every call, as if the network did. */
function requireHeader(name: string, value: string): void {
  if (!/[^\t\x20-\xff]/.test(value.trim())) return;
  const problem = 'it has a character that HTTP headers do not take, such as a line break or a curly quote';
  throw new CopilotError('InvalidConfig', { name, value: '(hidden)', problem });
}

function isAzure({ baseUrl }: Address): boolean {
  const { hostname } = new URL(baseUrl);
  return ['.openai.azure.com', '.cognitiveservices.azure.com', '.services.ai.azure.com'].some((end) =>
    hostname.endsWith(end),
  );
}

/** The SDK reads the body of an error and keeps one field of it. What servers really say may stand in others. */
function checkedFetch(transport: Transport, secrets: readonly string[], model: string): typeof fetch {
  return async (input, init) => {
    const answer = await transport.fetch(input, init);
    if (answer.ok) return answer;
    const text = await readStart(answer, MAX_ERROR_BYTES);
    // Some servers repeat the key that they refuse.
    const told = parsed(secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text));
    const generation = failedGeneration(told);
    if (generation) return Response.json(generation);
    throw classifyApiError({ status: answer.status, headers: answer.headers, body: told }, model);
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
