/** Plain JSON: the only thing that durable state and payloads are made of. */
import { z } from 'zod';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };

/** Any JSON value. Undefined, functions, dates, maps and NaN are not JSON. */
export const Json: z.ZodType<Json> = z.json();

export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isJsonArray(value);
}

/** The member of that name, or undefined; never what an object has by nature. */
export function memberOf(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Tokens and calls, summed up. */
export const Usage = z.object({
  /** All input tokens, cached ones included. */
  inputTokens: z.number(),
  /** Input tokens that were read from a provider's cache. */
  cachedTokens: z.number(),
  /** Input tokens that were written to it, if the provider charges for that. */
  cacheWriteTokens: z.number(),
  /** All output tokens, reasoning included. */
  outputTokens: z.number(),
  reasoningTokens: z.number(),
  modelCalls: z.number(),
  /** Calls whose tokens are estimated, since the server did not count them. */
  estimatedCalls: z.number(),
  toolCalls: z.number(),
});
export type Usage = z.infer<typeof Usage>;

/** Freezes a value deeply: constants of these modules are shared by all sessions of a worker. */
export function frozen<const T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

export const NO_USAGE: Readonly<Usage> = frozen({
  inputTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  modelCalls: 0,
  estimatedCalls: 0,
  toolCalls: 0,
});

export function addUsage(a: Usage, b: Partial<Usage>): Usage {
  const sum = { ...a };
  // Its keys are those of the constant above.
  for (const key of Object.keys(NO_USAGE) as (keyof Usage)[]) sum[key] += b[key] ?? 0;
  return sum;
}

/** What a text says as JSON; undefined if it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
