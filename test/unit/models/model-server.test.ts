import assert from 'node:assert/strict';
import { openModel, type Model } from '../../../src/models/openai.ts';
import { startModelServer, type ModelServer } from '../../helpers/model-server.ts';

describe('scripted model server', () => {
  let server: ModelServer;
  let model: Model;

  beforeEach(async () => {
    server = await startModelServer();
    model = openModel({ baseUrl: server.baseUrl });
  });
  afterEach(async () => {
    await model.close();
    await server.close();
  });

  const ask = (text: string) =>
    model.reply({ model: 'm', system: '', messages: [{ role: 'user', text }], signal: AbortSignal.timeout(5_000) });

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
});
