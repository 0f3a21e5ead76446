/**
 * The output items of a response as a message keeps them. They go back to the API word for word and in their order.
 * Text and arguments stand in the message already, so they are left out here and put in again.
 */
import type OpenAI from 'openai';
import type { Json } from '../../contracts/json.ts';
import type { ModelToolCall } from '../model.ts';
import type { ToolNames } from '../tool-names.ts';

type InputItem = OpenAI.Responses.ResponseInputItem;
type Item = { readonly [key: string]: Json };
/** A part of a message with the length of its text in place of the text. */
type PackedPart = { readonly [key: string]: Json } & { readonly length: number };

/** What of the items the API needs back, or undefined if there is nothing that the message does not say itself. */
export function packItems(items: readonly Item[]): Item[] | undefined {
  const packed = items.flatMap((item): Item[] => {
    switch (item['type']) {
      case 'reasoning':
        // Nothing is stored at the provider: without its content it would be a name for nothing.
        return typeof item['encrypted_content'] === 'string' ? [item] : [];
      case 'message':
        return [{ ...item, content: partsOf(item).map(packPart) }];
      case 'function_call': {
        const { arguments: _arguments, name: _name, ...rest } = item;
        return [rest];
      }
      default:
        return [];
    }
  });
  const isTelling = packed.some(({ type, phase }) => type === 'reasoning' || typeof phase === 'string');
  return isTelling ? packed : undefined;
}

function packPart({ text, refusal, ...rest }: Item): Json {
  const words = typeof text === 'string' ? text : refusal;
  return { ...rest, length: typeof words === 'string' ? words.length : 0 };
}

/** The text of all message items. */
export function textOfItems(items: readonly Item[]): string {
  return items
    .filter(({ type }) => type === 'message')
    .flatMap(partsOf)
    .map(({ text, refusal }) => (typeof text === 'string' ? text : typeof refusal === 'string' ? refusal : ''))
    .join('');
}

/** @returns undefined if the message has changed since, so that its items no longer belong to it */
export function unpackItems(
  packed: readonly Json[],
  { text, toolCalls = [] }: { readonly text: string; readonly toolCalls?: readonly ModelToolCall[] | undefined },
  names: ToolNames,
): InputItem[] | undefined {
  // Written by packItems, and kept word for word.
  const items = packed as readonly Item[];
  const lengths = items.filter(({ type }) => type === 'message').flatMap((item) => partsOf(item) as PackedPart[]);
  if (lengths.reduce((sum, { length }) => sum + length, 0) !== text.length) return undefined;
  const calls = items.filter(({ type }) => type === 'function_call');
  if (calls.length !== toolCalls.length) return undefined;
  let from = 0;
  let call = 0;
  const unpacked = items.map((item) => {
    if (item['type'] === 'function_call') {
      const made = toolCalls[call++];
      return { ...item, call_id: made?.id, name: names.toWire(made?.name ?? ''), arguments: made?.arguments ?? '{}' };
    }
    if (item['type'] !== 'message') return item;
    const content = (partsOf(item) as PackedPart[]).map(({ length, ...part }) => {
      const words = text.slice(from, (from += length));
      return part['type'] === 'refusal' ? { ...part, refusal: words } : { ...part, text: words };
    });
    return { ...item, content };
  });
  return unpacked as unknown as InputItem[]; // items of the API, whole again
}

function partsOf({ content }: Item): Item[] {
  return Array.isArray(content) ? (content as Item[]) : [];
}
