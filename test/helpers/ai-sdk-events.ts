/** Replies of Anthropic and Google as their servers stream them, for packages of the AI SDK. */
import type { ModelMessage, ModelReply } from '../../src/models/model.ts';

export function assistant({ text, toolCalls, providerData }: ModelReply): ModelMessage {
  // Through JSON, as the session's history keeps it.
  return JSON.parse(JSON.stringify({ role: 'assistant', text, toolCalls, providerData })) as ModelMessage;
}

export type Block = {
  type: string;
  text?: string;
  thinking?: string;
  signature?: string;
  id?: string;
  name?: string;
  input?: object;
};

export function anthropicEvents(blocks: readonly Block[], stop: string): unknown[] {
  const usage = { input_tokens: 100, cache_read_input_tokens: 10, cache_creation_input_tokens: 5, output_tokens: 1 };
  return [
    {
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-5',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage,
      },
    },
    ...blocks.flatMap((block, index) => [
      { type: 'content_block_start', index, content_block: start(block) },
      ...deltas(block).map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 20 } },
    { type: 'message_stop' },
  ];
}

function start({ type, id, name }: Block): object {
  if (type === 'text') return { type, text: '' };
  return type === 'thinking' ? { type, thinking: '', signature: '' } : { type, id, name, input: {} };
}

function deltas({ type, text, thinking, signature, input }: Block): object[] {
  if (type === 'text') return [{ type: 'text_delta', text }];
  if (type === 'thinking')
    return [
      { type: 'thinking_delta', thinking },
      { type: 'signature_delta', signature },
    ];
  return [{ type: 'input_json_delta', partial_json: JSON.stringify(input) }];
}

export function googleEvents(parts: readonly object[]): string[] {
  const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 };
  const chunk = (more: object): string => `data: ${JSON.stringify(more)}\n\n`;
  return [
    ...parts.map((part) =>
      chunk({ candidates: [{ content: { role: 'model', parts: [part] }, index: 0 }], modelVersion: 'gemini-3-pro' }),
    ),
    chunk({ candidates: [{ content: { role: 'model', parts: [] }, finishReason: 'STOP', index: 0 }], usageMetadata }),
  ];
}
