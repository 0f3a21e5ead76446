/** What a failed model call means for the turn: try again, shorten the conversation, or tell the person. */
import { CopilotError } from '../contracts/errors.ts';
import { parseJson } from '../contracts/json.ts';
import { errorCode } from './transport.ts';
import { retryAfterMs } from './retry-after.ts';
import { beginningOf } from '../contracts/text-cut.ts';

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
 * `access` the provider does not serve this network or country · `policy` the provider's rules forbid the content ·
 * `form` the server does not take the request as it is written
 */
export type Refusal = 'key' | 'credit' | 'quota' | 'model' | 'memory' | 'address' | 'access' | 'policy' | 'form';

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
  /context_length_exceeded|exceed_context_size|model_context_window_exceeded|context_window_exceeded/;
/** As OpenAI, Azure, vLLM, TGI, llama.cpp, LM Studio, Ollama, Mistral, Groq, xAI, Gemini, Moonshot, Qwen and Anthropic say it. */
const OVERFLOW_WORDS = [
  /(maximum|max|available) (context|prompt|model) (length|size|window)/i,
  /context (length|size|window)[^.]{0,80}(exceed|overflow|too (long|large|small))/i,
  /exceed[^.]{0,80}(context|maximum number of (input )?tokens|token limit|max(imum)? (input |prompt )?length)/i,
  /max(imum)? (input |prompt )?length (is )?exceed/i,
  /range of input length should be/i,
  /(greater|longer|larger|more)( tokens)? than the( model(['’]s)?)? context (length|size|window)|reached context length/i,
  /(prompt|input|request|conversation)( length)?( is)? too (long|large)/i,
  /reduce the length of the (messages|input|prompt)/i,
  /too many (input |prompt )?tokens/i,
  /context the overflows/i,
  /input token count[^.]{0,60}exceed/i,
  /inputs?`? tokens \+ `?max_new_tokens`? must be/i,
  /\b(prompt|inputs?)\b[^.]{0,30}\b(length|tokens?)\b.{0,60}\bexceed/i,
  /\binputs?`? must have less than \d+ tokens|\btotal tokens exceed\b|\bmax input characters\b|\bmax_seq_len\b/i,
  /context shift is disabled|超长|上下文.{0,12}超/i,
];
/** Of a limit of tokens in a time. */
const WAIT_WORDS = /\bplease wait\b/i;
/** Of a request that is too long for a limit of tokens in a minute, or for what an account may send at once. */
const LARGE_WORDS = /request too large|\blong context requests\b/i;

const KEY_CODES =
  /invalid_api_key|api_key_invalid|authentication_error|invalid_authentication|unauthenticated|account_deactivated|wrong_api_key/;
const KEY_WORDS =
  /\b(invalid|incorrect|missing|expired|no|wrong)\b[^.]{0,30}\b(api[ _-]?key|credentials?|authorization|auth\w* token)|\bapi[ _-]?key\b[^.]{0,20}\b(not valid|invalid|incorrect|missing|expired|required)|\btoken (has |is )?(expired|invalid)\b|\binvalid (access |auth\w* )?token\b|unauthori[sz]ed|\blogin fail/i;
const CREDIT_CODES =
  /insufficient_quota|billing_|insufficient_balance|payment_required|credit_balance|arrearage|budget_exceeded|overdue/;
const CREDIT_WORDS =
  /\b(insufficient|not enough|no|out of|exceeded|too low|used all)\b[^.]{0,40}\b(credits?|balance|funds|current quota)|(don't|doesn't|not) have (any|enough) credits|\bbalance is insufficient|credit balance is too low|payment required|billing|(spending|key) limit|budget (has been )?exceeded/i;
/** A limit of nothing, or one that a person set. */
const QUOTA_WORDS =
  /\blimit: 0\b|daily free allocation|free tier[^.]{0,40}exhausted|"?quota_?limit_?value"?:\s?"?0"?|\bspecified (api|workspace)[^.]{0,20}usage limits?/i;
const MODEL_CODES =
  /model_not_found|deploymentnotfound|model_not_available|not_found_error|model_decommissioned|model_?deprecated|modelnotopen|dedicated_endpoint_not_running|model_terms_required/;
/** Also under status 401. */
const NO_ACCESS =
  /model_access_denied|\bno access to model\b|(don['’]t|not) have access to (the )?model\b|\b(access to )?model (access )?(is )?denied\b/i;
const MODEL_WORDS =
  /\bmodels?\b[^.]{0,80}\b(not (be )?found|does not exist|doesn't exist|not (a )?(valid|supported|available)|no longer (supported|available)|decommissioned|unknown|no such)|\bmodel identifier is invalid|\b(unknown|invalid|no such) model\b(?! for)|not a valid model|try pulling it|no models? (is |are )?loaded|no (endpoints found (for|matching)|allowed providers)|on-demand throughput|\bmodel use case details\b/i;
const ADDRESS_WORDS = /unexpected endpoint or method|\bHTTP request (was sent )?to (an )?HTTPS (server|port)/i;
/** Of a method, a path or a protocol that is not the API's. */
const ADDRESS_STATUSES = new Set([404, 405, 406, 407, 410, 411, 415, 421, 426, 501, 505]);
const ACCESS_CODES = /unsupported_country/;
const ACCESS_WORDS =
  /\b(country|region|territory|location)\b[^.]{0,40}\bnot (supported|available|allowed)|\b(firewall|virtual network)\b|\bip( address)?\b[^.]{0,40}\b(not|is) (allowed|authori[sz]ed|blocked|permitted)/i;
/** What gateways say under a status that passes by itself, of something that does not. */
const LASTING_KEY = /\b(invalid|incorrect|wrong)\b[^.]{0,20}\bapi[ _-]?key/i;
const LASTING_CREDIT = /\binsufficient[^.]{0,20}\b(credits?|balance|quota|funds)\b/i;
const MEMORY_WORDS = /requires more (system )?memory|out of memory|unable to load model|failed to load model/i;
const POLICY_CODES =
  /content_policy|content_filter|responsibleaipolicy|bio_policy|policy_violation|invalid_prompt|safety|data_inspection|new_sensitive/;
/** As OpenRouter, DeepSeek, Qwen, Moonshot and Azure say it. */
const POLICY_WORDS =
  /requires moderation|\bwas flagged\b|content exists risk|inappropriate content|considered high risk|content management policy|violates usage guidelines|\bnew_sensitive\b|敏感/i;
const OVERLOAD_CODES =
  /overloaded|server_error|service_unavailable|unavailable|internal|timeout|rate_?limit|resource_exhausted|engine_overloaded|api_error|slow_down/;
/** Of passing errors under statuses that are none. */
const PASSING_CODES = /rate_?limit|throttl|too_many_requests|overloaded|capacity_exceeded|tool_use_failed/;
const PASSING_WORDS =
  /\brate limit (exceeded|reached)|\bmodel (has crashed|unloaded)\b|^already borrowed$|\b(is|are) (currently |temporarily )?overloaded|temporarily (unavailable|rate)|at capacity/i;
/** What some local servers say under status 500 of a request that they do not take. */
const FORM_WORDS =
  /\braise_exception\b|\bjinja\b|\bat row \d+, column \d+|\bobject is not subscriptable\b|can only concatenate str|unexpected keyword argument|\b(is|are) not supported\b|\bdoes(n't| not) support\b|unsupported param|\brequires --|cannot use /i;
const HTML = /^\s*(<!doctype html|<html|<head|<body)/i;

/** The typed error for an error that an API told. @param model name of the model, for the message */
export function classifyApiError(error: ApiError, model: string): ModelError {
  const told = read(error);
  const details = { model, problem: told.problem, status: told.status, param: told.param };
  const { status, text } = told;
  if (HTML.test(text) && status !== 413) return classifyPage(told, model);
  if (isOverflow(told)) return new CopilotError('ContextOverflow', details);
  const refusal = refusalOf(told);
  if (refusal !== undefined) return new CopilotError('ModelRejected', { ...details, refusal });
  if (!isSoft(told)) return new CopilotError('ModelRejected', { ...details, refusal: 'form' });
  const waitMs = retryAfterMs(error.headers, text);
  if (status === undefined && waitMs === undefined && !saysItPasses(told)) return unreadableReply(told.problem);
  const problem = status === undefined ? told.problem : `${status} ${told.problem}`;
  return unavailable(problem, { waitMs, status });
}

/** The typed error for whatever else a call threw. A CopilotError inside stays what it is. */
export function classify(error: unknown): ModelError {
  for (let inner = error; inner instanceof Error; inner = inner.cause) if (inner instanceof CopilotError) return inner;
  const problem = describe(error);
  if (error instanceof SyntaxError) return unreadableReply(problem, error);
  if (isOfAddress(error)) return new CopilotError('ModelRejected', { problem, refusal: 'address' }, { cause: error });
  return unavailable(problem, { cause: error });
}

/** A reply that came and cannot be used. It may be better the next time, but each one is paid for. */
export function unreadableReply(problem: string, cause?: unknown): CopilotError {
  return new CopilotError('ModelUnavailable', { problem, isUnreadable: true }, { cause });
}

const TLS_CODES =
  /^(ERR_TLS|ERR_SSL|EPROTO$|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY))/;

/** Whether no server of a model API can be there: another protocol, a certificate of somebody else, a circle. */
function isOfAddress(error: unknown): boolean {
  return TLS_CODES.test(errorCode(error) ?? '') || describe(error) === 'redirect count exceeded';
}

interface Unavailable {
  readonly waitMs?: number | undefined;
  readonly status?: number | undefined;
  readonly cause?: unknown;
}

function unavailable(problem: string, { waitMs, status, cause }: Unavailable): ModelError {
  const error = new CopilotError('ModelUnavailable', { problem, status }, { cause });
  return waitMs === undefined ? error : Object.assign(error, { retryAfterMs: waitMs });
}

function isSoft({ status, codes, problem }: Told): boolean {
  if (status === undefined) return OVERLOAD_CODES.test(codes) || !/invalid_request|bad_?request/.test(codes);
  if (status === 500) return !FORM_WORDS.test(problem);
  return isPassing(status) || saysPassing(codes, problem);
}

function saysItPasses({ codes, problem }: Told): boolean {
  return OVERLOAD_CODES.test(codes) || saysPassing(codes, problem);
}

function saysPassing(codes: string, problem: string): boolean {
  return PASSING_CODES.test(codes) || PASSING_WORDS.test(problem);
}

function isPassing(status: number): boolean {
  if (ADDRESS_STATUSES.has(status)) return false;
  return [408, 409, 423, 424, 425, 429, 499].includes(status) || status >= 500;
}

/** A page of HTML: a proxy that is in trouble, or a login page, or an address that is no API. */
function classifyPage({ status }: Told, model: string): ModelError {
  if (status !== undefined && isPassing(status)) return unavailable(`status ${status} with a page of HTML`, { status });
  const problem = `it answered with a page of HTML${status === undefined ? '' : ` and status ${status}`}`;
  return new CopilotError('ModelRejected', { model, problem, status, refusal: 'address' });
}

function isOverflow({ status, codes, problem }: Told): boolean {
  if (OVERFLOW_CODES.test(codes)) return true;
  // A limit of tokens in a minute that one request alone passes does not pass by waiting.
  if (status === 429) return LARGE_WORDS.test(problem);
  if (status === 401 || status === 403 || status === 404) return false;
  return status === 413 || (!WAIT_WORDS.test(problem) && OVERFLOW_WORDS.some((words) => words.test(problem)));
}

const PASSES = /\bper[ _-]?(minute|second|day|hour)|"retryDelay"|\bretry in \d/i;

function refusalOf({ status, codes, problem, param, text }: Told): Refusal | undefined {
  if (CREDIT_CODES.test(codes) || status === 402) return 'credit';
  if (NO_ACCESS.test(codes) || NO_ACCESS.test(problem)) return 'model';
  if (KEY_CODES.test(codes) || status === 401) return 'key';
  if (ADDRESS_WORDS.test(problem)) return 'address';
  if (status === 451 || ACCESS_CODES.test(codes) || ACCESS_WORDS.test(problem)) return 'access';
  if (QUOTA_WORDS.test(text)) return 'quota';
  if (MEMORY_WORDS.test(problem)) return 'memory';
  // A server that names a time means a limit that passes, however it speaks of quotas.
  if (status === 429) return CREDIT_WORDS.test(problem) && !PASSES.test(text) ? 'credit' : undefined;
  if (LASTING_KEY.test(problem)) return 'key';
  if (LASTING_CREDIT.test(problem)) return 'credit';
  if (saysPassing(codes, problem) || (status !== undefined && isPassing(status))) return undefined;
  // A named parameter is what the model does not take.
  const isOfModel = param === undefined || param === 'model';
  if (MODEL_CODES.test(codes) || (isOfModel && MODEL_WORDS.test(problem))) return 'model';
  if (status === 404 && /no endpoints found/i.test(problem)) return 'form';
  if (KEY_WORDS.test(problem)) return 'key';
  if (POLICY_CODES.test(codes) || POLICY_WORDS.test(problem)) return 'policy';
  if (CREDIT_WORDS.test(problem)) return 'credit';
  if (status === 403 && param === undefined) return 'key';
  if (status === undefined) return undefined;
  // A redirect that names no other place.
  return ADDRESS_STATUSES.has(status) || (status >= 300 && status < 400) ? 'address' : undefined;
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
  const inner = strings('code', 'status', 'statusCode', 'status_code')
    .map(Number)
    .find((code) => code >= 400 && code <= 599);
  // A gateway says that the provider failed; what it said stands deeper.
  const messages = strings('message', 'msg', 'error_description', 'error_msg', 'status_msg', 'raw');
  const message =
    messages.find((words) => !/^(provider returned error$|\s*[[{])/i.test(words)) ??
    messages[0] ??
    strings('error', 'detail', 'title')[0];
  return {
    // A gateway may say 200, or 500, and put the provider's own status inside.
    status: status === undefined || (status === 500 && inner !== undefined) ? inner : status,
    codes: strings('code', 'type', '__type', 'status', 'reason', 'error_type', 'error_code').join(' ').toLowerCase(),
    problem: beginningOf(withoutKeys((message ?? text.trim()) || 'no reason was given'), MAX_PROBLEM_TEXT),
    param: strings('param')[0] ?? paramOfDetail(layers),
    text,
  };
}

const MAX_DEPTH = 6;
const INNER = [
  'error',
  'errors',
  'message',
  'detail',
  'details',
  'innererror',
  'metadata',
  'raw',
  'response',
  'base_resp',
];

/** The objects that may speak of the error, outermost first. Gateways put the provider's own into a text. */
function layersOf(body: unknown): Record<string, unknown>[] {
  const found: Record<string, unknown>[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    if (typeof value === 'string' && /^\s*[[{]/.test(value)) return visit(parseJson(value), depth + 1);
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) return value.slice(0, 3).forEach((part) => visit(part, depth + 1));
    const layer = value as Record<string, unknown>;
    found.push(layer);
    for (const key of INNER) visit(layer[key], depth + 1);
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
    return beginningOf(`malformed JSON in the reply: ${innermost.message}`, MAX_PROBLEM_TEXT);
  const text = innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
  return beginningOf(withoutKeys(text), MAX_PROBLEM_TEXT);
}
