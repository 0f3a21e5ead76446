/** Which parameters a server takes. Found out by what it refuses, and remembered per model. */
import type { ModelError } from './errors.ts';

export interface Dialect {
  /** How structured output is asked for; `json_object` comes with the schema in the system message. */
  readonly output: 'json_schema' | 'json_object';
  /** Newer OpenAI models refuse `max_tokens`, other servers may not know its successor. */
  readonly limit: 'max_completion_tokens' | 'max_tokens';
  /** Whether `stream_options` may be sent. */
  readonly countsTokens: boolean;
}

export const OPENAI_DIALECT: Dialect = { output: 'json_schema', limit: 'max_completion_tokens', countsTokens: true };
export const COMPATIBLE_DIALECT: Dialect = { output: 'json_schema', limit: 'max_tokens', countsTokens: true };

/**
 * The dialect to try after the server refused a request, or undefined where speaking differently cannot
 * help. Every step gives something up for good, so repeated use ends.
 */
export function nextDialect(
  dialect: Dialect,
  error: ModelError,
  status: number | undefined,
  asksOutput: boolean,
): Dialect | undefined {
  if (error.type !== 'ModelRejected' || (status !== 400 && status !== 422)) return undefined;
  const problem = String(error.details['problem']);
  if (dialect.countsTokens && /stream_options|include_usage/.test(problem)) return { ...dialect, countsTokens: false };
  if (dialect.limit === 'max_tokens' && problem.includes('max_completion_tokens')) {
    return { ...dialect, limit: 'max_completion_tokens' };
  }
  // What a server says about a schema that it does not take has no common wording, so any refusal counts.
  if (asksOutput && dialect.output === 'json_schema') return { ...dialect, output: 'json_object' };
  return undefined;
}
