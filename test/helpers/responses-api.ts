/** A stand-in for OpenAI's Responses API that refuses, as the real one does, items that do not stand where they belong. */
import type { ApiAnswer } from './api-server.ts';

export type Item = Record<string, unknown>;

export function reasoning(id: string, encrypted: string): Item {
  return {
    id,
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: `thinking of ${id}` }],
    encrypted_content: encrypted,
    status: 'completed',
  };
}

export function message(text: string, id: string, phase?: string): Item {
  return {
    id,
    type: 'message',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
    ...(phase === undefined ? {} : { phase }),
  };
}

export function call(id: string, name: string, text: string): Item {
  return { id: `fc_${id}`, type: 'function_call', status: 'completed', call_id: id, name, arguments: text };
}

/** The events of a response with these items. @param incomplete why it is not complete */
export function events(items: readonly Item[], incomplete?: string): unknown[] {
  const usage = {
    input_tokens: 30,
    input_tokens_details: { cached_tokens: 10 },
    output_tokens: 20,
    output_tokens_details: { reasoning_tokens: 8 },
    total_tokens: 50,
  };
  const status = incomplete === undefined ? 'completed' : 'incomplete';
  const response = {
    model: 'gpt-6-luna-2026',
    status,
    incomplete_details: incomplete === undefined ? null : { reason: incomplete },
    error: null,
    output: items,
    usage,
  };
  return [
    { type: 'response.created', response: { ...response, output: [] } },
    ...items.flatMap((item, index) => eventsOf(item, index)),
    { type: `response.${status}`, response },
  ];
}

function eventsOf(item: Item, index: number): unknown[] {
  // The forms that the functions above make.
  const summary = (item['summary'] as { text: string }[] | undefined) ?? [];
  const parts = (item['content'] as { type: string; text?: string; refusal?: string }[] | undefined) ?? [];
  return [
    { type: 'response.output_item.added', output_index: index, item },
    ...summary.flatMap(({ text }) => [
      { type: 'response.reasoning_summary_part.added', output_index: index },
      { type: 'response.reasoning_summary_text.delta', output_index: index, delta: text },
    ]),
    ...parts.map(({ type, text, refusal }) => ({
      type: `response.${type}.delta`,
      output_index: index,
      delta: text ?? refusal,
    })),
    { type: 'response.output_item.done', output_index: index, item },
  ];
}

/** Remembers what it gave out, and says what is wrong with an input. */
export class ResponsesRules {
  /** By the id of a reasoning item: the item, and the id of the one after it. */
  readonly #given = new Map<string, { readonly item: string; readonly next: unknown }>();
  readonly #calls = new Set<unknown>();
  /** How many reasoning items came back. */
  returned = 0;

  /** Answers with these items, and remembers them. */
  answer(items: readonly Item[]): ApiAnswer {
    for (const [index, item] of items.entries()) {
      if (item['type'] === 'function_call') this.#calls.add(item['call_id']);
      if (item['type'] !== 'reasoning') continue;
      this.#given.set(String(item['id']), { item: JSON.stringify(item), next: items[index + 1]?.['id'] });
    }
    return { events: events(items) };
  }

  /** The refusal that OpenAI's server would give, or undefined. */
  refusal(input: readonly Item[]): ApiAnswer | undefined {
    const problem = this.#problem(input);
    return problem === undefined
      ? undefined
      : { status: 400, body: { error: { message: problem, type: 'invalid_request_error', param: 'input' } } };
  }

  #problem(input: readonly Item[]): string | undefined {
    const needed = new Map([...this.#given].map(([id, { next }]) => [next, id]));
    for (const [index, item] of input.entries()) {
      const { id, type } = item;
      if (type === 'reasoning') {
        const given = this.#given.get(String(id));
        if (!given || given.item !== JSON.stringify(item)) return `Item '${String(id)}' was changed or is not known.`;
        if (input[index + 1]?.['id'] !== given.next)
          return `Item '${String(id)}' was provided without its required following item.`;
        this.returned += 1;
      } else if (typeof id === 'string' && needed.has(id) && input[index - 1]?.['id'] !== needed.get(id)) {
        return `Item '${id}' of type '${String(type)}' was provided without its required 'reasoning' item: '${needed.get(id)}'.`;
      } else if (type === 'function_call') {
        if (typeof id !== 'string' && this.#calls.has(item['call_id']))
          return `Function call ${String(item['call_id'])} lost its item.`;
        if (!input.some((other) => other['type'] === 'function_call_output' && other['call_id'] === item['call_id'])) {
          return `No tool output found for function call ${String(item['call_id'])}.`;
        }
      }
    }
    return undefined;
  }
}
