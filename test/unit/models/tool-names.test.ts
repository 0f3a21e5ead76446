import assert from 'node:assert/strict';
import { openModel } from '../../helpers/open-model.ts';
import { toolNames, wireName } from '../../../src/models/tool-names.ts';
import { startModelServer } from '../../helpers/model-server.ts';

const ALLOWED = /^[a-zA-Z0-9_-]{1,64}$/;

describe('models: names of tools on the wire', () => {
  it('are letters, digits, "_" and "-", 64 at most, whatever the tool is called', () => {
    assert.equal(wireName('read_file'), 'read_file');
    assert.equal(wireName('everything.get-sum'), 'everything__get-sum');
    assert.equal(wireName('a.b.c d/é'), 'a__b__c_d__');
    assert.equal(wireName('3d.render'), '_3d__render', 'a letter or "_" comes first');
    for (const name of ['', '.', '日本', 'x'.repeat(65), `server.${'y'.repeat(128)}`])
      assert.match(wireName(name), ALLOWED);
  });

  it('are different for different tools, and lead back to each', () => {
    const given = ['a.b', 'a__b', 'a/b', 'a_b', 'a b', `s.${'x'.repeat(80)}1`, `s.${'x'.repeat(80)}2`, '', '日', '本'];
    for (const order of [given, given.toReversed()]) {
      const names = toolNames(order);
      const wire = order.map(names.toWire);
      assert.equal(new Set(wire).size, given.length, wire.join());
      for (const name of wire) assert.match(name, ALLOWED);
      assert.deepEqual(wire.map(names.fromWire), order);
      assert.equal(names.toWire('a__b'), 'a__b');
    }
    assert.deepEqual(given.map(toolNames(given).toWire), given.map(toolNames(given.toReversed()).toWire));
    assert.equal(toolNames(given).fromWire('never_offered'), 'never_offered');
  });

  it('stand in requests only: a conversation with server.tool goes there and back', async () => {
    const server = await startModelServer();
    const model = openModel({ baseUrl: server.baseUrl });
    try {
      server.script({ toolCalls: [{ name: 'everything__echo', arguments: { message: 'hi' } }] });
      const parameters = { type: 'object' };
      const reply = await model.reply({
        system: '',
        messages: [
          { role: 'user', text: 'go' },
          { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'gone.tool', arguments: '{}' }] },
          { role: 'tool', toolCallId: 'c1', text: 'ok' },
        ],
        tools: [
          { name: 'everything.echo', description: '', parameters },
          { name: 'read_file', description: '', parameters },
        ],
        signal: new AbortController().signal,
      });
      assert.deepEqual(
        reply.toolCalls.map(({ name }) => name),
        ['everything.echo'],
      );
      const [request] = server.requests;
      assert.deepEqual(
        request?.body.tools?.map((tool) => tool.function.name),
        ['everything__echo', 'read_file'],
      );
      assert.match(JSON.stringify(request?.body.messages), /"name":"gone__tool"/);
      server.assertDone();
    } finally {
      await model.close();
      await server.close();
    }
  });
});
