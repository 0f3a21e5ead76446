import assert from 'node:assert/strict';
import { openModel, type OpenModel } from '../../helpers/open-model.ts';
import { startModelServer, type ModelServer } from '../../helpers/model-server.ts';

describe('scripted model server', () => {
  let server: ModelServer;
  let model: OpenModel;

  beforeEach(async () => {
    server = await startModelServer();
    model = openModel({ baseUrl: server.baseUrl });
  });
  afterEach(async () => {
    await model.close();
    await server.close();
  });

  const ask = (text: string) =>
    model.reply({ system: '', messages: [{ role: 'user', text }], signal: AbortSignal.timeout(5_000) });

  it('fails a call that nobody scripted, and the test with it', async () => {
    await assert.rejects(ask('surprise'), { message: /No reply is scripted for call 1.*surprise/ });
    assert.throws(() => server.assertDone(), /without a scripted reply/);
    assert.equal(server.requests.length, 1);
  });

  it('fails the test for a step that was not used', async () => {
    server.script({ text: 'used' }, { text: 'left over' });
    assert.equal((await ask('x')).text, 'used');
    assert.throws(() => server.assertDone(), /were not used/);
    server.script({ text: 'used' });
    await ask('y');
    server.assertDone();
  });

  it('answers by the script first, then by the responder, and not at all if that has no answer', async () => {
    server.script({ text: 'scripted' });
    server.respond(({ messages }) => (JSON.stringify(messages).includes('mine') ? { text: 'responded' } : undefined));
    assert.equal((await ask('mine')).text, 'scripted');
    assert.equal((await ask('mine')).text, 'responded');
    server.assertDone();
    await assert.rejects(ask('count to 3'), { message: /No reply is scripted for call 3/ });
    assert.throws(() => server.assertDone(), /without a scripted reply/);
  });

  it('fails a test that forgets to ask whether all went by the script, when it is closed', async () => {
    const other = await startModelServer();
    other.script({ text: 'left over' });
    await assert.rejects(other.close(), /were not used/);
  });

  const user = { role: 'user', content: 'hello' };
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
      const response = await fetch(`${server.baseUrl}/chat/completions`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      const { error } = (await response.json()) as { error: { message: string; type: string } };
      assert.equal(response.status, 400);
      assert.equal(error.type, 'invalid_request_error');
      assert.match(error.message, message);
    });
  }
});
