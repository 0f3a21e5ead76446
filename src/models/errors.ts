/** What a failed model call means for the turn: try again, make the conversation shorter, or tell the person. */
import { APIConnectionTimeoutError, APIError } from 'openai';
import { CopilotError } from '../contracts/errors.ts';
import { errorCode } from './transport.ts';

/** A failed model call. `retryAfterMs` is how long the server asks to wait, in milliseconds. */
export type ModelError = CopilotError & { readonly retryAfterMs?: number };

/** Longest problem text taken over from a server: some answer with a whole HTML page. */
const MAX_PROBLEM_TEXT = 500;

/** 429 and 5xx pass by themselves; these codes with 429 do not: somebody has to pay first. */
const EXHAUSTED_CODES = new Set(['insufficient_quota', 'billing_hard_limit_reached', 'billing_not_active']);

const OVERFLOW_CODES = new Set([
  'context_length_exceeded',
  'exceed_context_size_error',
  'model_context_window_exceeded',
]);

/** undici's codes for a server that is silent for too long. */
const TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** How OpenAI, Azure, vLLM, llama.cpp, LM Studio, Ollama, Mistral, Groq, xAI, Gemini and Anthropic word it. */
const OVERFLOW_PATTERNS = [
  /(maximum|max|available) (context|prompt) (length|size|window)/i,
  /context (length|size|window)[^.]{0,80}(exceed|overflow|too (long|large|small))/i,
  /exceed[^.]{0,80}(context|maximum number of (input )?tokens)/i,
  /(prompt|input|request|conversation)( is)? too (long|large)/i,
  /reduce the length of the (messages|input|prompt)/i,
  /too many (input |prompt )?tokens/i,
  /context the overflows/i,
];

/**
 * The typed error for whatever a model call threw. A CopilotError stays what it is.
 * Connection errors, 408, 409, 429, 5xx and broken streams are `ModelUnavailable`, which is retryable;
 * a conversation that does not fit is `ContextOverflow`; every other refusal is `ModelRejected`.
 * @param model name of the model, for the message
 */
export function classify(error: unknown, model: string): ModelError {
  if (error instanceof CopilotError) return error;
  if (!(error instanceof APIError)) return unavailable(error, describe(error));

  const status: number | undefined = error.status;
  const problem = describe(error);
  // A server that answers with any of these speaks about size even where its status says otherwise.
  if (isOverflow(error, problem)) return new CopilotError('ContextOverflow', { model, problem }, { cause: error });
  // APIConnectionError and an error inside a stream are APIErrors without a status.
  if (status === undefined) {
    const refused = error.type === 'invalid_request_error' || error.type === 'authentication_error';
    return refused ? rejected(error, problem, model) : unavailable(error, problem);
  }
  if (status === 429 && EXHAUSTED_CODES.has(error.code ?? '')) return rejected(error, problem, model);
  if (status === 408 || status === 409 || status === 429 || status >= 500) {
    return unavailable(error, problem, retryAfterMs(error.headers));
  }
  return rejected(error, problem, model);
}

/** What a server's `retry-after-ms` or `retry-after` (seconds or HTTP date) asks for, in milliseconds. */
export function retryAfterMs(headers: Headers | undefined, nowMs = Date.now()): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return Math.ceil(milliseconds);
  const value = headers?.get('retry-after')?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1000);
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function unavailable(cause: unknown, problem: string, waitMs?: number): ModelError {
  const error = new CopilotError('ModelUnavailable', { problem }, { cause });
  return waitMs === undefined ? error : Object.assign(error, { retryAfterMs: waitMs });
}

function rejected(cause: APIError, problem: string, model: string): ModelError {
  return new CopilotError('ModelRejected', { model, problem }, { cause });
}

function isOverflow(error: APIError, problem: string): boolean {
  if (OVERFLOW_CODES.has(error.code ?? '') || OVERFLOW_CODES.has(error.type ?? '')) return true;
  const status: number | undefined = error.status;
  if (status === 401 || status === 403 || status === 404) return false;
  return status === 413 || OVERFLOW_PATTERNS.some((pattern) => pattern.test(problem));
}

/** The innermost message says most: `connect ECONNREFUSED 127.0.0.1:11434` rather than `Connection error.` */
function describe(error: unknown): string {
  const code = errorCode(error);
  if (error instanceof APIConnectionTimeoutError || (code !== undefined && TIMEOUT_CODES.has(code))) {
    return 'no byte came in time';
  }
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (innermost instanceof SyntaxError)
    return `malformed JSON in the reply: ${innermost.message}`.slice(0, MAX_PROBLEM_TEXT);
  const text = innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
  // Some servers repeat the key that they refuse.
  return text.replace(/\b(sk|key|gsk|xai)-[\w*-]{6,}/g, '$1-…').slice(0, MAX_PROBLEM_TEXT);
}
