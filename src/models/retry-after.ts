/** How long a server asks to wait. */

/** Longest time that is waited for, in milliseconds. What asks for more means no time, or nothing that a call can wait for. */
const LONGEST_MS = 86_400_000;

/**
 * Reads, in this order: `retry-after-ms`, `retry-after` (seconds or an HTTP date), the words of the error (`try again
 * in 8.5s`, `"retryDelay": "14s"`), the headers that say when a rate limit is full again, and fields of the body.
 * @returns milliseconds, a day at most, or undefined if the server asks for nothing
 */
export function retryAfterMs(headers: Headers, text: string, nowMs = Date.now()): number | undefined {
  const waitMs = askedMs(headers, text, nowMs);
  // To ask for no time, or for a moment in the past, is to ask for nothing.
  return waitMs === undefined || waitMs <= 0 ? undefined : Math.min(waitMs, LONGEST_MS);
}

function askedMs(headers: Headers, text: string, nowMs: number): number | undefined {
  const milliseconds = Number.parseFloat(headers.get('retry-after-ms') ?? headers.get('x-ms-retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds) && milliseconds >= 0) return Math.ceil(milliseconds);
  const said = readTime(headers.get('retry-after'), nowMs) ?? readWords(text) ?? readMoment(text, nowMs);
  return said ?? readResets(headers, nowMs) ?? readTime(FIELD.exec(text)?.[1] ?? null, nowMs);
}

const WORDS =
  /(?:(?:try again|retry|wait|resets?|available)[^.]{0,20}?\b(?:in|after|for)\s+|please wait |try again )(?:(?:about|approximately|at least|another) )?((?:[\d.]+\s*(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)\b\s*(?:and )?|[\d.]+[smhd](?=\d))+)|"retryDelay":\s*"([\d.]+s)"/i;
/** In the body of the error: OpenRouter's copy of a header, and fields of several gateways and of Hugging Face. */
const FIELD =
  /"(?:x-ratelimit-reset|retry[-_]?after(?:[-_]?seconds)?|resets_in_seconds|resets_at|estimated_time)":\s?"?([^",}]+)/i;

function readWords(text: string): number | undefined {
  const found = WORDS.exec(text);
  return found ? readDuration(found[1] ?? found[2] ?? '') : undefined;
}

const MOMENT =
  /\b(?:resets?|available|try again|retry)\b[^.]{0,30}?\b(?:at|on|after)\s+(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?/i;
/** Of a moment without a zone. GLM writes the time of Beijing. One that is too early is asked again. */
const ZONES = ['+08:00', 'Z'];

function readMoment(text: string, nowMs: number): number | undefined {
  const [, day, time, zone] = MOMENT.exec(text) ?? [];
  if (day === undefined) return undefined;
  const zones = zone === undefined ? ZONES : [zone.replace(/^(UTC|GMT)$/i, 'Z')];
  return zones.map((name) => Date.parse(`${day}T${time}${name}`) - nowMs).find((waitMs) => waitMs > 0);
}

/** OpenAI and those that follow it write durations, Anthropic dates. */
const RESET = /^(?:anthropic-)?(?:x-)?ratelimit-(?:reset-([\w-]+)|([\w-]+)-reset|(reset))$/;

function readResets(headers: Headers, nowMs: number): number | undefined {
  const resets = [...headers].flatMap(([name, value]) => {
    const found = RESET.exec(name);
    const waitMs = found && readTime(value, nowMs);
    if (!found || waitMs === undefined || waitMs === null) return [];
    const what = found[1] ?? found[2];
    const left = what === undefined ? headers.get('x-ratelimit-remaining') : remaining(headers, what);
    return [{ waitMs, isUsedUp: left === '0' }];
  });
  const usedUp = resets.filter(({ isUsedUp }) => isUsedUp);
  // Without one at zero it was the size of the request: then the longest is right.
  const waits = (usedUp.length > 0 ? usedUp : resets).map(({ waitMs }) => waitMs);
  return waits.length === 0 ? undefined : Math.max(...waits);
}

function remaining(headers: Headers, what: string): string | null {
  return headers.get(`x-ratelimit-remaining-${what}`) ?? headers.get(`anthropic-ratelimit-${what}-remaining`);
}

/** Seconds, a duration such as `1m30s`, seconds since 1970, or a date. */
function readTime(value: string | null, nowMs: number): number | undefined {
  // A proxy that adds a header of its own makes a list of two.
  const text = value?.replace(/^\s*"|"\s*$|,\s*\d+\s*$/g, '').trim() ?? '';
  if (text === '') return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    const isMoment = number > nowMs / 2_000;
    const momentMs = number > nowMs / 20 ? number : number * 1_000;
    return Math.ceil(isMoment ? momentMs - nowMs : number * 1_000);
  }
  const duration = readDuration(text);
  if (duration !== undefined || !/^[a-z]{3,9},? |^\d{4}-\d\d-/i.test(text)) return duration;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? undefined : dateMs - nowMs;
}

const UNITS_MS: readonly (readonly [unit: RegExp, ms: number])[] = [
  [/^ms|^milli/i, 1],
  [/^s/i, 1_000],
  [/^m/i, 60_000],
  [/^h/i, 3_600_000],
  [/^d/i, 86_400_000],
];

function readDuration(text: string): number | undefined {
  if (!/^(?:[\d.]+\s*[a-z]+\s*(?:and )?)+$/i.test(text.trim())) return undefined;
  let sumMs = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(/([\d.]+)\s*([a-z]+)/gi)) {
    const ms = UNITS_MS.find(([pattern]) => pattern.test(unit))?.[1];
    if (ms === undefined || !Number.isFinite(Number(amount))) return undefined;
    sumMs += Number(amount) * ms;
  }
  return Math.ceil(sumMs);
}
