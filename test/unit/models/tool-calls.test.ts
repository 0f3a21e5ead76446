import assert from 'node:assert/strict';
import { openModel, type OpenModel } from '../../helpers/open-model.ts';
import { startModelServer, type ModelServer } from '../../helpers/model-server.ts';

describe('tool calls of servers that do it their own way', () => {
  let server: ModelServer;
  let model: OpenModel;

  before(async () => {
    server = await startModelServer();
    model = openModel({ baseUrl: server.baseUrl });
  });
  after(async () => {
    await model.close();
    await server.close();
  });

  const call = (fields: object) => ({ choices: [{ delta: { tool_calls: [fields].flat() } }] });
  const foreign: [string, object[], unknown[]][] = [
    [
      'whole calls in one chunk without index or id',
      [call([{ function: { name: 'a', arguments: '{"n":1}' } }, { function: { name: 'b', arguments: '{"n":2}' } }])],
      [
        ['call_1_0', 'a', '{"n":1}'],
        ['call_1_1', 'b', '{"n":2}'],
      ],
    ],
    [
      'every call with index 0',
      [
        call({ index: 0, id: 'x', function: { name: 'a', arguments: '{}' } }),
        call({ index: 0, id: 'y', function: { name: 'a', arguments: '{}' } }),
      ],
      [
        ['x', 'a', '{}'],
        ['y', 'a', '{}'],
      ],
    ],
    [
      'every call with index 0 and an empty id',
      [
        call({ index: 0, id: '', function: { name: 'a', arguments: '{"n":1}' } }),
        call({ index: 0, id: '', function: { name: 'a', arguments: '{"n":2}' } }),
      ],
      [
        ['call_1_0', 'a', '{"n":1}'],
        ['call_1_1', 'a', '{"n":2}'],
      ],
    ],
    [
      'the id in every piece',
      [
        call({ index: 0, id: 'x', function: { name: 'a', arguments: '{"n"' } }),
        call({ index: 0, id: 'x', function: { name: 'a', arguments: ':1}' } }),
      ],
      [['x', 'a', '{"n":1}']],
    ],
    [
      'no index, later pieces without id',
      [
        call({ id: 'x', function: { name: 'a', arguments: '' } }),
        call({ function: { arguments: '{"n":' } }),
        call({ function: { arguments: '1}' } }),
      ],
      [['x', 'a', '{"n":1}']],
    ],
    [
      'arguments that are parsed already',
      [call({ index: 0, id: 'x', function: { name: 'a', arguments: { n: 1 } } })],
      [['x', 'a', '{"n":1}']],
    ],
    ['no arguments at all', [call({ index: 0, id: 'x', function: { name: 'a' } })], [['x', 'a', '{}']]],
  ];
  for (const [title, chunks, expected] of foreign) {
    it(`understands tool calls with ${title}`, async () => {
      const end = { choices: [{ delta: {}, finish_reason: 'stop' }] };
      const raw = [...chunks, end].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('');
      server.script({ raw, headers: { 'content-type': 'text/event-stream' } });
      const reply = await model.reply({
        system: '',
        messages: [{ role: 'user', text: 'x' }],
        signal: AbortSignal.timeout(5_000),
      });
      assert.deepEqual(
        reply.toolCalls.map(({ id, name, arguments: text }) => [id, name, text]),
        expected,
      );
      assert.equal(reply.finish, 'tool_calls');
    });
  }
});
