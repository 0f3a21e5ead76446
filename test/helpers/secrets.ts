/** Words that stand nowhere else, a session that says them all, and where they show. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ModelServer } from './model-server.ts';
import { calling } from './replies.ts';
import { playTeam } from './team-script.ts';

/** A word that stands nowhere else. */
const secret = (what: string): string => `${what}${randomBytes(6).toString('hex')}`;

/** A word for each thing that a session says, knows or does. */
export function secretsOfSession() {
  return {
    message: secret('message'),
    context: secret('context'),
    step: secret('plan'),
    path: secret('path'),
    argument: secret('argument'),
    toolOutput: secret('tooloutput'),
    toolError: secret('toolerror'),
    report: secret('report'),
    answer: secret('answer'),
    error: secret('error'),
    reason: secret('reason'),
    correction: secret('correction'),
  };
}
export type Secrets = ReturnType<typeof secretsOfSession>;

/** Names of the words that stand in it, as text or in base64. */
export function found(bytes: Buffer, words: Secrets): string[] {
  return Object.entries(words).flatMap(([name, word]) => {
    const forms = [word, ...[0, 1, 2].map((shift) => inBase64(word, shift))];
    return forms.some((form) => bytes.includes(form)) ? [name] : [];
  });
}

/** What of a word shows in base64, whatever stands before and behind it. */
function inBase64(word: string, shift: number): string {
  const whole = Buffer.from(' '.repeat(shift) + word).toString('base64');
  return whole.slice(shift === 0 ? 0 : 4, -4);
}

export interface JsonPayload {
  readonly metadata?: Record<string, unknown>;
}

/** Every payload in a history as JSON, but those of search attributes, which nobody encodes. */
export function payloadsIn(value: unknown): JsonPayload[] {
  if (value === null || typeof value !== 'object') return [];
  if ('metadata' in value && 'data' in value) return [value as JsonPayload];
  return Object.entries(value).flatMap(([name, part]) => (name === 'searchAttributes' ? [] : payloadsIn(part)));
}

/** A plan of one step with four rounds; a message with the word of the error fails, any other is answered. */
export function play(model: ModelServer, words: Secrets): void {
  const answer = `This is my ${words.answer} in several words`;
  playTeam(model, {
    files: ['unused.txt'],
    answer,
    wordDelayMs: 60,
    instead: (call) => {
      const said = call.messages.map(([, text]) => text).join('\n');
      if (call.phase === 'inline' && call.last.includes(words.error)) {
        return { status: 400, error: { message: `no ${words.error}` } };
      }
      if (call.phase === 'inline' && !call.last.includes(words.message)) return { text: answer, wordDelayMs: 60 };
      const plan = { steps: [{ agent: 'engineer', task: words.step, notes: '' }] };
      if (call.phase === 'inline') return calling(['make_plan', plan]);
      if (call.phase === 'planning') return { json: plan };
      if (call.phase !== 'step') return undefined;
      const calls = [
        { name: 'read_file', arguments: { path: 'data.txt' } },
        { name: 'write_file', arguments: { path: `${words.path}.txt`, content: words.argument } },
        { name: 'read_file', arguments: { path: `${words.toolError}.txt` } },
        { name: 'report_step', arguments: { status: 'done', summary: words.report } },
      ];
      const round = call.messages.filter(([role]) => role === 'tool').length;
      assert.ok(said.includes(words.step));
      return { toolCalls: calls.slice(round, round + 1) };
    },
  });
}
