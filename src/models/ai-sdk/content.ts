/**
 * The content of an AI SDK reply as a message keeps it: reasoning with its signature, and what a provider says of its
 * texts and calls. It goes back word for word and in order. Text and arguments stand in the message already.
 */
import type { LanguageModelV4Message, LanguageModelV4StreamPart, SharedV4ProviderMetadata } from '@ai-sdk/provider';
import { Json } from '../../contracts/json.ts';
import type { ModelToolCall } from '../model.ts';
import type { RawCall } from '../reading/calls.ts';
import type { ToolNames } from '../tool-names.ts';

type Assistant = Extract<LanguageModelV4Message, { role: 'assistant' }>;
type Options = { readonly providerOptions?: SharedV4ProviderMetadata };
type Kept =
  | ({ readonly type: 'text'; readonly length: number } & Options)
  | ({ readonly type: 'reasoning'; readonly text: string } & Options)
  | ({ readonly type: 'tool-call' } & Options)
  | ({ readonly type: 'custom'; readonly kind: `${string}.${string}` } & Options);

interface Part {
  readonly type: Kept['type'];
  readonly id: string;
  text: string;
  kind?: `${string}.${string}`;
  metadata?: SharedV4ProviderMetadata | undefined;
}

/** Collects the content of a stream. */
export class Content {
  readonly #parts: Part[] = [];
  readonly #calls: RawCall[] = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get calls(): readonly RawCall[] {
    return this.#calls;
  }

  /** @returns what the part adds to the text or to the reasoning */
  add(part: LanguageModelV4StreamPart): { readonly text?: string; readonly reasoning?: string } {
    switch (part.type) {
      case 'text-start':
      case 'reasoning-start':
        this.#parts.push({
          type: part.type === 'text-start' ? 'text' : 'reasoning',
          id: part.id,
          text: '',
          metadata: part.providerMetadata,
        });
        return {};
      case 'text-delta':
        this.#find('text', part.id, part.providerMetadata).text += part.delta;
        return { text: part.delta };
      case 'reasoning-delta':
        this.#find('reasoning', part.id, part.providerMetadata).text += part.delta;
        return { reasoning: part.delta };
      case 'text-end':
        this.#find('text', part.id, part.providerMetadata);
        return {};
      case 'reasoning-end':
        this.#find('reasoning', part.id, part.providerMetadata);
        return { reasoning: '\n\n' };
      case 'tool-call':
        // A tool that the provider runs itself is not ours to answer.
        if (part.providerExecuted) return {};
        this.#calls.push({ id: part.toolCallId, name: part.toolName, arguments: part.input });
        this.#parts.push({ type: 'tool-call', id: part.toolCallId, text: '', metadata: part.providerMetadata });
        return {};
      case 'custom':
        // Of the reply as a whole: nobody needs it back.
        if (part.kind.endsWith('.message_start')) return {};
        this.#parts.push({ type: 'custom', id: '', text: '', kind: part.kind, metadata: part.providerMetadata });
        return {};
      default:
        return {};
    }
  }

  /** What the provider needs back, or undefined if the message says everything. */
  pack(): Json[] | undefined {
    const isTelling = this.#parts.some(
      ({ type, metadata }) => type === 'reasoning' || type === 'custom' || metadata !== undefined,
    );
    if (!isTelling) return undefined;
    return this.#parts.map(({ type, text, kind, metadata }) =>
      Json.parse({
        type,
        ...(type === 'text' ? { length: text.length } : {}),
        ...(type === 'reasoning' ? { text } : {}),
        ...(kind === undefined ? {} : { kind }),
        ...(metadata === undefined ? {} : { providerOptions: metadata }),
      }),
    );
  }

  #find(type: 'text' | 'reasoning', id: string, metadata: SharedV4ProviderMetadata | undefined): Part {
    let found = this.#parts.findLast((part) => part.type === type && part.id === id);
    if (!found) this.#parts.push((found = { type, id, text: '' }));
    for (const [provider, values] of Object.entries(metadata ?? {})) {
      found.metadata = { ...found.metadata, [provider]: { ...found.metadata?.[provider], ...values } };
    }
    return found;
  }
}

/** @returns undefined if the message has changed since, so that its content no longer belongs to it */
export function unpackContent(
  items: readonly Json[],
  { text, toolCalls = [] }: { readonly text: string; readonly toolCalls?: readonly ModelToolCall[] | undefined },
  names: ToolNames,
): Assistant['content'] | undefined {
  // Written by `pack`, and kept word for word.
  const kept = items as unknown as readonly Kept[];
  const length = kept.reduce((sum, part) => sum + (part.type === 'text' ? part.length : 0), 0);
  const calls = kept.filter(({ type }) => type === 'tool-call').length;
  if (length !== text.length || calls !== toolCalls.length) return undefined;
  let from = 0;
  let next = 0;
  return kept.flatMap((part) => {
    const options = part.providerOptions === undefined ? {} : { providerOptions: part.providerOptions };
    switch (part.type) {
      case 'text': {
        const said = text.slice(from, (from += part.length));
        // Claude writes blank lines before calls, and does not take them back.
        return said.trim() === '' && part.providerOptions === undefined
          ? []
          : { type: 'text' as const, text: said, ...options };
      }
      case 'reasoning':
        return { type: 'reasoning' as const, text: part.text, ...options };
      case 'custom':
        return { type: 'custom' as const, kind: part.kind, ...options };
      case 'tool-call': {
        const call = toolCalls[next++];
        return {
          type: 'tool-call' as const,
          toolCallId: call?.id ?? '',
          toolName: names.toWire(call?.name ?? ''),
          input: JSON.parse(call?.arguments ?? '{}') as unknown,
          ...options,
        };
      }
    }
  });
}
