/** Answers of servers that speak chat completions, for the tests. */
import type { ApiAnswer } from './api-server.ts';

export function toolCall(text: string, name = 'calculate'): object {
  return { index: 0, id: 'c1', type: 'function', function: { name, arguments: text } };
}

export function said(message: object, finish = 'stop'): ApiAnswer {
  return { body: { model: 'm-1', choices: [{ message: { role: 'assistant', ...message }, finish_reason: finish }] } };
}

export function streamed(...deltas: object[]): ApiAnswer {
  return {
    events: [
      ...deltas.map((delta) => ({ choices: [{ index: 0, delta }] })),
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      'data: [DONE]\n\n',
    ],
  };
}

export function failed(status: number, body: unknown): ApiAnswer {
  return { status, body };
}
