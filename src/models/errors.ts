/** What a failed model call means for the turn: try again, shorten the conversation, or tell the person. */
import { CopilotError } from '../contracts/errors.ts';
import { errorCode } from './transport.ts';
import { retryAfterMs } from './retry-after.ts';

/** A failed model call. `retryAfterMs` is how long the server asks to wait, in milliseconds. */
export type ModelError = CopilotError & { readonly retryAfterMs?: number };

/** An error as an API told it: with a status, in the middle of a stream, or under status 200. */
export interface ApiError {
  /** Undefined for an error that came in a stream or under status 200. */
  readonly status: number | undefined;
  readonly headers: Headers;
  /** Parsed JSON, or the text if it is none. */
  readonly body: unknown;
}

/**
 * Why a request was refused:
 * `key` no or a wrong key · `credit` nothing left to pay with · `quota` a limit that does not pass by itself ·
 * `model` no such model · `memory` the model does not fit the machine · `address` not the address of a model API ·
 * `policy` the provider's rules forbid the content · `form` the server does not take the request as it is written
 */
export type Refusal = 'key' | 'credit' | 'quota' | 'model' | 'memory' | 'address' | 'policy' | 'form';

/** Longest problem text taken over from a server: some answer with a whole page. */
const MAX_PROBLEM_TEXT = 500;

/** What the different servers tell, wherever it stands in their answer. */
interface Told {
  readonly status: number | undefined;
  /** Codes, types and statuses, in lower case, separated by spaces. */
  readonly codes: string;
  readonly problem: string;
  readonly param: string | undefined;
  readonly text: string;
}

const OVERFLOW_CODES =
  /context_length_exceeded|exceed_context_size|model_context_window_exceeded|string_above_max_length/;
/** How OpenAI, Azure, vLLM, TGI, llama.cpp, LM Studio, Ollama, Mistral, Groq, xAI, Gemini and Anthropic word it. */
const OVERFLOW_WORDS = [
  /(maximum|max|available) (context|prompt|model) (length|size|window)/i,
  /context (length|size|window)[^.]{0,80}(exceed|overflow|too (long|large|small))/i,
  /exceed[^.]{0,80}(context|maximum number of (input )?tokens)/i,
  /(prompt|input|request|conversation)( is)? too (long|large)/i,
  /reduce the length of the (messages|input|prompt)/i,
  /too many (input |prompt )?tokens/i,
  /context the overflows/i,
  /input token count[^.]{0,60}exceed/i,
  /inputs?`? tokens \+ `?max_new_tokens`? must be/i,
];

const KEY_CODES = /invalid_api_key|authentication_error|invalid_authentication|unauthenticated|account_deactivated/;
const KEY_WORDS =
  /\b(invalid|incorrect|missing|expired|no|wrong)\b[^.]{0,30}\b(api[ _-]?key|credentials?|auth\w* token)|unauthori[sz]ed/i;
const CREDIT_CODES = /insufficient_quota|billing_|insufficient_balance|payment_required|credit_balance/;
const CREDIT_WORDS =
  /\b(insufficient|not enough|no|out of|exceeded|too low)\b[^.]{0,40}\b(credits?|balance|funds|current quota)|credit balance is too low|payment required|billing/i;
const QUOTA_WORDS = /\blimit: 0\b|"?quota_?limit_?value"?:\s*"?0"?/i;
const MODEL_CODES = /model_not_found|deploymentnotfound|model_not_available|not_found_error/;
const MODEL_WORDS =
  /\bmodel\b[^.]{0,80}\b(not (be )?found|does not exist|doesn't exist|not (a )?(valid|supported|available)|unknown|no such)|\b(unknown|invalid|no such) model\b|not a valid model|try pulling it/i;
const MEMORY_WORDS = /requires more (system )?memory|out of memory|unable to load model|failed to load model/i;
const POLICY_CODES =
  /content_policy|content_filter|responsibleaipolicy|bio_policy|policy_violation|invalid_prompt|safety/;
const OVERLOAD_CODES =
  /overloaded|server_error|service_unavailable|unavailable|internal|timeout|rate_limit|resource_exhausted|engine_overloaded|api_error|slow_down/;
const HTML = /^\s*(<!doctype html|<html|<head|<body)/i;

/** The typed error for an error that an API told. @param model name of the model, for the message */
export function classifyApiError(error: ApiError, model: string): ModelError {
  const told = read(error);
  const details = { model, problem: told.problem, status: told.status, param: told.param };
  const { status, codes, text } = told;
  if (HTML.test(text)) return classifyPage(told, model);
  if (isOverflow(told)) return new CopilotError('ContextOverflow', details);
  const refusal = refusalOf(told);
  if (refusal !== undefined) return new CopilotError('ModelRejected', { ...details, refusal });
  const isSoft =
    status === undefined ? OVERLOAD_CODES.test(codes) || !/invalid_request|bad_request/.test(codes) : isPassing(status);
  if (!isSoft) return new CopilotError('ModelRejected', { ...details, refusal: 'form' });
  return unavailable(
    status === undefined ? told.problem : `${status} ${told.problem}`,
    retryAfterMs(error.headers, text),
  );
}

/** The typed error for whatever else a call threw. A CopilotError inside stays what it is. */
export function classify(error: unknown): ModelError {
  for (let inner = error; inner instanceof Error; inner = inner.cause) if (inner instanceof CopilotError) return inner;
  return unavailable(describe(error), undefined, error);
}

function unavailable(problem: string, waitMs?: number, cause?: unknown): ModelError {
  const error = new CopilotError('ModelUnavailable', { problem }, { cause });
  return waitMs === undefined ? error : Object.assign(error, { retryAfterMs: waitMs });
}

function isPassing(status: number): boolean {
  return status === 408 || status === 409 || status === 425 || status === 429 || status >= 500;
}

/** A page of HTML: a proxy that is in trouble, or a login page, or an address that is no API. */
function classifyPage({ status }: Told, model: string): ModelError {
  if (status !== undefined && isPassing(status)) return unavailable(`status ${status} with a page of HTML`);
  const problem = `it answered with a page of HTML${status === undefined ? '' : ` and status ${status}`}`;
  return new CopilotError('ModelRejected', { model, problem, status, refusal: 'address' });
}

function isOverflow({ status, codes, problem }: Told): boolean {
  if (OVERFLOW_CODES.test(codes)) return true;
  // A limit of tokens in a minute that one request alone passes does not pass by waiting.
  if (status === 429) return /request too large/i.test(problem);
  if (status === 401 || status === 403 || status === 404) return false;
  return status === 413 || OVERFLOW_WORDS.some((words) => words.test(problem));
}

function refusalOf({ status, codes, problem, text }: Told): Refusal | undefined {
  if (CREDIT_CODES.test(codes) || status === 402) return 'credit';
  if (KEY_CODES.test(codes) || status === 401) return 'key';
  if (QUOTA_WORDS.test(text)) return 'quota';
  if (MEMORY_WORDS.test(problem)) return 'memory';
  if (status === 429)
    return CREDIT_WORDS.test(problem) && !/per (minute|second|day|hour)/i.test(problem) ? 'credit' : undefined;
  if (status !== undefined && status >= 500) return undefined;
  if (MODEL_CODES.test(codes) || MODEL_WORDS.test(problem)) return 'model';
  if (KEY_WORDS.test(problem)) return 'key';
  if (POLICY_CODES.test(codes)) return 'policy';
  if (CREDIT_WORDS.test(problem)) return 'credit';
  if (status === 403) return 'key';
  return status === 404 || status === 405 ? 'address' : undefined;
}

/** Finds code, words and parameter wherever a server puts them. */
function read({ status, body }: ApiError): Told {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const layers = layersOf(body);
  const strings = (...keys: string[]): string[] =>
    layers
      .flatMap((layer) => keys.map((key) => layer[key]))
      .flatMap((value) => {
        if (typeof value === 'string' && value !== '') return [value];
        return typeof value === 'number' ? [String(value)] : [];
      });
  const inner = layers.map(({ code }) => code).find((code) => typeof code === 'number' && code >= 400 && code <= 599);
  const message = strings('message', 'msg', 'error_description')[0] ?? strings('error', 'detail', 'title')[0];
  return {
    // A gateway may say 200, or 500, and put the provider's own status inside.
    status: status ?? (inner as number | undefined),
    codes: strings('code', 'type', 'status', 'reason').join(' ').toLowerCase(),
    problem: withoutKeys((message ?? text.trim()) || 'no reason was given').slice(0, MAX_PROBLEM_TEXT),
    param: strings('param')[0] ?? paramOfDetail(layers),
    text,
  };
}

/** The objects that may speak of the error, outermost first. */
function layersOf(body: unknown): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (depth > 4 || typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) return value.slice(0, 3).forEach((part) => visit(part, depth + 1));
    const layer = value as Record<string, unknown>;
    found.push(layer);
    for (const key of ['error', 'errors', 'detail', 'details', 'innererror', 'metadata', 'response'])
      visit(layer[key], depth + 1);
  };
  visit(body, 0);
  return found;
}

/** FastAPI's form of a validation error: `loc: ['body', 'stream_options']`. */
function paramOfDetail(layers: readonly Record<string, unknown>[]): string | undefined {
  const place = layers.map(({ loc }) => loc).find((loc) => Array.isArray(loc));
  return (place as unknown[] | undefined)?.filter((part) => part !== 'body').join('.');
}

/** Some servers repeat the key that they refuse. */
function withoutKeys(text: string): string {
  return text.replace(/\b(sk|key|gsk|xai|AIza)[-_]?[\w*-]{8,}/g, '$1-…');
}

/** undici's codes for a server that is silent for too long. */
const TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** The innermost message says most: `connect ECONNREFUSED 127.0.0.1:11434` rather than `Connection error.` */
function describe(error: unknown): string {
  if (TIMEOUT_CODES.has(errorCode(error) ?? '')) return 'no byte came in time';
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (innermost instanceof SyntaxError)
    return `malformed JSON in the reply: ${innermost.message}`.slice(0, MAX_PROBLEM_TEXT);
  const text = innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
  return withoutKeys(text).slice(0, MAX_PROBLEM_TEXT);
}
