/**
 * What a provider sent with its own messages, and does not take back: signatures and encrypted reasoning are only valid
 * for the model, the account and the words that they were made for.
 */
import { createHash } from 'node:crypto';
import type { Dialect, Refused, Rule } from './dialect.ts';
import type { ModelMessage, ProviderData } from './model.ts';

/** Of what came back: it is not valid, was changed, or does not stand with what belongs to it. */
const OF_DATA =
  /encrypted[ _]content|\bthought[ _]?signature[^.]{0,40}\b(not valid|invalid|corrupt|decod)|\b(corrupt\w*|invalid|malformed)\b[^.]{0,20}\bthought[ _]?signature|\bsignature\b[^.]{0,40}\bthinking\b|\bthinking\b[^.]{0,20}\bsignature\b|\bthinking\b[^.]{0,60}\bblocks?\b[^.]{0,60}\b(cannot be modified|invalid|must contain)|\binvalid\b[^.]{0,20}\bredacted_thinking\b|of type '?(reasoning|function_call|message)'? was provided without its required|\bitem with id\b[^.]{0,80}\bnot found|\bduplicate item\b|expected an id that begins with/i;
/** What is missing does not come by leaving out more. */
const OF_MISSING = /\bmissing\b[^.]{0,40}\bthought_?signature|must be (passed|sent) back/i;

/** Conversations whose data is left out, at most; each has some tens. */
const MAX_REFUSED = 10_000;

/** The data that the server refused stays out. What it sends from now on goes back to it. */
export const toWithoutRefusedData: Rule = (dialect, refused) => {
  return OF_DATA.test(refused.words) && !OF_MISSING.test(refused.words) ? withoutData(dialect, refused) : undefined;
};

/** The last thing to try, since nobody knows all the words that servers have for this. */
export const toWithoutAnyData: Rule = (dialect, refused) => {
  return OF_MISSING.test(refused.words) ? undefined : withoutData(dialect, refused);
};

function withoutData(dialect: Dialect, { request, owner }: Refused): ReturnType<Rule> {
  const data = request.messages.flatMap((message) => dataOf(message) ?? []);
  const sent = data.filter(({ provider }) => provider === owner).map(dataKey);
  if (sent.every((key) => dialect.refusedData.has(key))) return undefined;
  const refusedData = new Set([...dialect.refusedData, ...sent].slice(-MAX_REFUSED));
  return { dialect: { ...dialect, refusedData }, gaveUp: 'reasoning sent back' };
}

/**
 * Claude takes calls of a turn with thinking only if the first of them came with thinking. Another model may have made that
 * one.
 */
export const toWithoutThinking: Rule = (dialect, { request, words }) => {
  if (!/expected `?(redacted_)?thinking\b|must start with a thinking block/i.test(words)) return undefined;
  const { without, effort, ...rest } = dialect;
  if (without.has('effort') || effort === 'none') return undefined;
  const gaveUp = 'thinking in this turn';
  if ((effort ?? request.effort) === undefined)
    return { dialect: { ...dialect, effort: 'none' }, gaveUp, holdsFor: 'turn' };
  return { dialect: { ...rest, without: new Set([...without, 'effort' as const]) }, gaveUp, holdsFor: 'turn' };
};

/** The message without what its provider refuses to take back. */
export function withoutRefusedData(message: ModelMessage, { refusedData }: Dialect): ModelMessage {
  const data = dataOf(message);
  if (message.role !== 'assistant' || !data || refusedData.size === 0 || !refusedData.has(dataKey(data)))
    return message;
  const { providerData: _, ...rest } = message;
  return rest;
}

function dataOf(message: ModelMessage): ProviderData | undefined {
  return message.role === 'assistant' ? message.providerData : undefined;
}

function dataKey({ items }: ProviderData): string {
  return createHash('sha256').update(JSON.stringify(items)).digest('base64url');
}
