import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { offlineReply } from '../../../dev/offline-model/model.ts';
import { startOfflineModel } from '../../../dev/offline-model/server.ts';
import { openModel } from '../../../src/models/openai.ts';
import { cpuTimer } from '../../helpers/cpu-time.ts';

describe('offline model: the HTTP API', () => {
  let server: Awaited<ReturnType<typeof startOfflineModel>>;
  before(async () => (server = await startOfflineModel()));
  after(() => server.close());

  const post = (body: unknown) =>
    fetch(`${server.baseUrl}/chat/completions`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const user = { role: 'user', content: 'hello' };

  it('lists itself as the offline model and answers under that name, streamed or plain', async () => {
    const models = (await (await fetch(`${server.baseUrl}/models`)).json()) as { data: { id: string }[] };
    assert.deepEqual(
      models.data.map(({ id }) => id),
      ['offline'],
    );
    const plain = (await (await post({ model: 'gpt-x', messages: [user] })).json()) as {
      model: string;
      choices: { message: { content: string } }[];
      usage: object;
    };
    assert.equal(plain.model, 'offline');
    assert.match(plain.choices[0]?.message.content ?? '', /offline model.*OPENAI_API_KEY.*OPENAI_BASE_URL/);
    assert.ok('prompt_tokens' in plain.usage);
    const streamed = await (
      await post({ model: 'gpt-x', messages: [user], stream: true, stream_options: { include_usage: true } })
    ).text();
    assert.ok(streamed.split('data: ').length > 20, 'the words came in one piece');
    assert.match(streamed, /"usage":\{"prompt_tokens"/);
    assert.ok(streamed.endsWith('data: [DONE]\n\n'));
  });

  const bad: [string, unknown, RegExp][] = [
    ['no JSON', '{"model":', /could not parse the JSON/],
    ['no model', { messages: [user] }, /'model'/],
    ['no messages', { model: 'm', messages: [] }, /'messages'/],
    ['an unknown role', { model: 'm', messages: [{ role: 'robot', content: 'x' }] }, /'messages.0.role'/],
    [
      'an unknown parameter',
      { model: 'm', messages: [user], colour: 'red' },
      /Unrecognized request argument supplied: colour/,
    ],
    ['a temperature of 3', { model: 'm', messages: [user], temperature: 3 }, /'temperature'/],
    [
      'a tool without a name',
      { model: 'm', messages: [user], tools: [{ type: 'function', function: {} }] },
      /'tools.0.function.name'/,
    ],
    ['an empty list of tools', { model: 'm', messages: [user], tools: [] }, /'tools'/],
    [
      'a tool result out of nowhere',
      { model: 'm', messages: [user, { role: 'tool', tool_call_id: 'x', content: '' }] },
      /must be a response to a preceding message/,
    ],
    [
      'a tool call without its result',
      {
        model: 'm',
        messages: [
          user,
          { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] },
          user,
        ],
      },
      /must be followed by tool messages/,
    ],
    [
      'json_object without the word',
      { model: 'm', messages: [user], response_format: { type: 'json_object' } },
      /must contain the word 'json'/,
    ],
  ];
  for (const [title, body, message] of bad) {
    it(`refuses ${title} as the real API does`, async () => {
      const response = await post(body);
      const { error } = (await response.json()) as { error: { message: string; type: string } };
      assert.equal(response.status, 400);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(error.message, message);
    });
  }

  it('does not know other paths', async () => {
    assert.equal((await fetch(`${server.baseUrl}/embeddings`, { method: 'POST', body: '{}' })).status, 404);
  });

  it('takes its time over words where it is asked to, and says no more than it may', async () => {
    const model = openModel({ baseUrl: server.baseUrl });
    const ask = (text: string, maxOutputTokens?: number) => {
      const startedAt = Date.now();
      const heard: string[] = [];
      const signal = AbortSignal.timeout(10_000);
      const limit = maxOutputTokens === undefined ? {} : { maxOutputTokens };
      return model
        .reply({
          model: 'm',
          system: '',
          messages: [{ role: 'user', text }],
          signal,
          onText: (word) => heard.push(word),
          ...limit,
        })
        .then((reply) => ({ reply, heard, ms: Date.now() - startedAt }));
    };
    const slow = await ask('count to 5 slowly');
    assert.equal(slow.reply.text, '1 2 3 4 5');
    assert.equal(slow.heard.length, 5);
    assert.ok(slow.ms >= 500, `${slow.ms} ms`);
    const cut = await ask('count to 500', 10);
    assert.equal(cut.reply.finish, 'length');
    assert.equal(cut.reply.text.length, 40);
    await model.close();
  });
});

describe('offline model: its options', () => {
  it('listens where it is told to, slows every text down, and says so where the port is taken', async () => {
    const first = await startOfflineModel({ wordDelayMs: 60 });
    const model = openModel({ baseUrl: first.baseUrl });
    const started = Date.now();
    const messages = [{ role: 'user' as const, text: 'count to 5' }];
    await model.reply({ model: 'm', system: '', messages, signal: AbortSignal.timeout(5_000) });
    assert.ok(Date.now() - started >= 250);
    await assert.rejects(startOfflineModel({ port: first.port }), { code: 'EADDRINUSE' });
    await model.close();
    await first.close();
    const second = await startOfflineModel({ port: first.port });
    assert.equal(second.baseUrl, first.baseUrl);
    await second.close();
  });
});

describe('offline model: any input', function () {
  this.timeout(120_000);

  it('answers whatever it is sent, in every phase, quickly and the same each time', () => {
    const seed = randomInt(2 ** 31);
    const word = fc.constantFrom(
      'profile',
      'write',
      'a.csv',
      'to',
      'r.md',
      'and',
      '"',
      "'",
      '```',
      '#',
      '# Your step\n',
      ',',
      'wettest month',
      'count to 3',
      'read',
      '`',
      '{',
      '2+2',
      '__proto__',
      '\0',
      '\ud800',
      'plan:',
      ';',
      'ask me first which',
      ':',
      'the answer',
      'hand over to the writer:',
      'run the command:',
      'at the same time',
      'answer with broken JSON',
      'remember that',
      'replace "a" with "b" in',
      'fetch https://a.example/',
      'user: ',
      '\n',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.array(word, { maxLength: 40 }).map((parts) => parts.join(' ')),
    );
    const phase = fc.constantFrom('routing', 'planning', 'review', 'one-shot', 'step', 'answer', 'summary', 'nonsense');
    fc.assert(
      fc.property(text, phase, (content, name) => {
        const chat = {
          model: 'm',
          messages: [
            { role: 'system' as const, content: `- writer: Writes.\n\nPhase: ${name}` },
            { role: 'user' as const, content },
          ],
        };
        const reply = offlineReply(chat);
        assert.ok(reply.text !== '' || reply.toolCalls.length > 0);
        assert.deepEqual(offlineReply(chat), reply);
      }),
      { seed, numRuns: 400 },
    );
  });

  it('is not slowed down by long or odd texts', () => {
    const parts = [
      'a.',
      '"',
      "'",
      '```',
      ' ',
      '\n',
      'to ',
      'a/',
      'and ',
      'how many messages ',
      '1+',
      '(',
      'my x is ',
      '# Task\n',
      '| ',
      'plan: ',
      '; ',
      'ask me first x: ',
      'ask me x, then ',
      'the answer ',
      'hand over to the writer: ',
      'run the command: ',
      'run the command `',
      'at the same time ',
      'write x at the same time ',
      'answer with broken JSON: ',
      'remember that x is ',
      'replace "',
      'user: ',
      '\n\nYou asked:\n',
    ];
    for (const part of parts) {
      const content = part.repeat(Math.ceil(250_000 / part.length));
      const computedMs = cpuTimer();
      for (const phase of ['routing', 'planning', 'review', 'one-shot', 'step', 'answer', 'summary']) {
        offlineReply({
          model: 'm',
          messages: [
            { role: 'system', content: `Phase: ${phase}` },
            { role: 'user', content },
          ],
        });
      }
      const tookMs = computedMs();
      assert.ok(tookMs < 10_000, `${JSON.stringify(part)} took ${tookMs} ms`);
    }
  });
});
