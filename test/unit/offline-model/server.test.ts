/** The HTTP API of the offline model, as the product's own client uses it. */
import assert from 'node:assert/strict';
import { startOfflineModel } from '../../../dev/offline-model/server.ts';
import { openModel } from '../../helpers/open-model.ts';

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
    assert.match(plain.choices[0]?.message.content ?? '', /offline model[^]*OPENAI_API_KEY or OPENAI_BASE_URL/);
    assert.ok('prompt_tokens' in plain.usage);
    const streamed = await (
      await post({ model: 'gpt-x', messages: [user], stream: true, stream_options: { include_usage: true } })
    ).text();
    assert.ok(streamed.split('data: ').length > 20, 'the words came in one piece');
    assert.match(streamed, /"usage":\{"prompt_tokens"/);
    assert.ok(streamed.endsWith('data: [DONE]\n\n'));
  });

  const bad: [string, unknown, RegExp][] = [
    ['no JSON', '{"model":', /'body'/],
    ['no model', { messages: [user] }, /'model'/],
    ['no messages', { model: 'm', messages: [] }, /'messages'/],
    ['an unknown role', { model: 'm', messages: [{ role: 'robot', content: 'x' }] }, /'messages.0.role'/],
    [
      'a tool without a name',
      { model: 'm', messages: [user], tools: [{ type: 'function', function: {} }] },
      /'tools.0.function.name'/,
    ],
  ];
  for (const [title, body, message] of bad) {
    it(`refuses ${title} with status 400 and says what is wrong`, async () => {
      const response = await post(body);
      const { error } = (await response.json()) as { error: { message: string; type: string } };
      assert.equal(response.status, 400);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(error.message, message);
    });
  }

  it('answers a message with an image by its words', async () => {
    const model = openModel({ baseUrl: server.baseUrl });
    const { text } = await model.reply({
      system: '',
      messages: [
        { role: 'user', text: 'repeat after me: hello', images: [{ mediaType: 'image/png', base64: 'iVBORw0KGgo=' }] },
      ],
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(text, 'hello');
    await model.close();
  });

  it('does not know other paths', async () => {
    assert.equal((await fetch(`${server.baseUrl}/embeddings`, { method: 'POST', body: '{}' })).status, 404);
  });

  it('calls tools by the names on the wire, streamed, and the product knows them again', async () => {
    const model = openModel({ baseUrl: server.baseUrl });
    const parameters = { type: 'object' };
    const { toolCalls, finish } = await model.reply({
      system: '',
      messages: [{ role: 'user', text: 'use everything.echo with {"message": "hi"}' }],
      tools: [{ name: 'everything.echo', description: '', parameters }],
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(finish, 'tool_calls');
    assert.deepEqual(
      toolCalls.map(({ name, arguments: text }) => [name, text]),
      [['everything.echo', '{"message":"hi"}']],
    );
    await model.close();
  });

  it('takes its time over words if the message says slowly, and says no more than it may', async () => {
    const model = openModel({ baseUrl: server.baseUrl });
    const ask = async (text: string, maxOutputTokens?: number) => {
      const startedAt = Date.now();
      const heard: string[] = [];
      const reply = await model.reply({
        system: '',
        messages: [{ role: 'user', text }],
        signal: AbortSignal.timeout(10_000),
        onText: (word) => heard.push(word),
        ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
      });
      return { reply, heard, ms: Date.now() - startedAt };
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
