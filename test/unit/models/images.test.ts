import assert from 'node:assert/strict';
import { callOptions } from '../../../src/models/ai-sdk/prompt.ts';
import { FIRST_DIALECT } from '../../../src/models/dialect.ts';
import { estimateUsage } from '../../../src/models/estimate.ts';
import { newestImages, resultImagesBehind } from '../../../src/models/images.ts';
import type { ModelMessage } from '../../../src/models/model.ts';
import { toolNames } from '../../../src/models/tool-names.ts';

const image = (name: string) => ({ name, mediaType: 'image/png', base64: 'AAAA' });
const calls = ['a', 'b'].map((id) => ({ id, name: 'draw', arguments: '{}' }));
const DRAWN: readonly ModelMessage[] = [
  { role: 'user', text: 'Draw two' },
  { role: 'assistant', text: '', toolCalls: calls },
  { role: 'tool', toolCallId: 'a', text: 'one', images: [image('1.png')] },
  { role: 'tool', toolCallId: 'b', text: 'two', images: [image('2.png')] },
];

describe('images of a request', () => {
  it('follow behind all results of a round, and join a message of the user that follows', () => {
    const alone = resultImagesBehind(DRAWN);
    assert.deepEqual(
      alone.map(({ role }) => role),
      ['user', 'assistant', 'tool', 'tool', 'user'],
    );
    assert.deepEqual(alone.at(-1), {
      role: 'user',
      text: '[The 2 images of the tool results above: 1.png, 2.png.]',
      images: [image('1.png'), image('2.png')],
    });
    const told = resultImagesBehind([...DRAWN, { role: 'user', text: 'Go on' }]);
    assert.equal(told.length, alone.length);
    assert.match(told.at(-1)?.text ?? '', /2\.png\.\]\n\nGo on$/);
  });

  it('are the newest if a server takes few, with a line for each message that lost some', () => {
    const kept = newestImages(DRAWN, 1);
    assert.deepEqual(
      kept.map(({ text }) => text),
      ['Draw two', '', "one\n\n[1 image left out, since the model's server does not take it: 1.png.]", 'two'],
    );
    assert.deepEqual(
      kept.map((message) => ('images' in message ? message.images?.length : 0)),
      [0, 0, 0, 1],
    );
  });

  it('count in estimates', () => {
    const signal = AbortSignal.timeout(1_000);
    const without = DRAWN.map((message) => ({ ...message, images: [] }));
    const [more, less] = [DRAWN, without].map(
      (messages) => estimateUsage({ system: '', messages, signal }, '').inputTokens,
    );
    assert.equal((more ?? 0) - (less ?? 0), 3_000);
  });

  for (const [owner, roles] of [
    ['anthropic.messages', ['user', 'assistant', 'tool']],
    ['some-server.chat', ['user', 'assistant', 'tool', 'user']],
  ] as const) {
    it(`of tools stand where ${owner} takes them as images`, () => {
      const request = { system: '', messages: DRAWN, signal: AbortSignal.timeout(1_000) };
      const options = { provider: 'p', owner, request, dialect: FIRST_DIALECT, names: toolNames(['draw']) };
      const { prompt } = callOptions({ ...options, version: 'v4' });
      assert.deepEqual(
        prompt.map(({ role }) => role),
        roles,
      );
      assert.equal(JSON.stringify(prompt).split('"type":"file"').length - 1, 2);
    });
  }
});
