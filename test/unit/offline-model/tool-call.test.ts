import assert from 'node:assert/strict';
import { actionsOf } from '../../../dev/offline-model/actions.ts';
import { offlineReply } from '../../../dev/offline-model/model.ts';
import { ChatRequest } from '../../../dev/offline-model/wire.ts';

const offer = (...names: string[]) => names.map((name) => ({ type: 'function' as const, function: { name } }));

function ask(text: string, tools: string[], answered: { call: unknown; result: string }[] = []) {
  const messages = [
    { role: 'system', content: 'Agents of this team:\n- engineer: Does things.\n\nPhase: one-shot' },
    { role: 'user', content: text },
    ...answered.flatMap(({ call, result }, index) => [
      { role: 'assistant', content: null, tool_calls: [{ id: `c${index}`, type: 'function', function: call }] },
      { role: 'tool', tool_call_id: `c${index}`, content: result },
    ]),
  ];
  return offlineReply(ChatRequest.parse({ model: 'offline', messages, tools: offer(...tools) }));
}

describe('offline model: use a tool by its name', () => {
  const phrase = 'Use everything.echo with {"message": "hi, and then {read} a.txt. \\"Now\\""}';
  const args = '{"message":"hi, and then {read} a.txt. \\"Now\\""}';

  it('calls the tool with the JSON object as it is given, by dotted name, wire name or plain name', () => {
    const called = (text: string) => ask(text, ['everything__echo', 'read_file']).toolCalls;
    assert.deepEqual(
      called(phrase).map(({ name, arguments: text }) => [name, text]),
      [['everything__echo', args]],
    );
    assert.equal(called('please call everything__echo with {"message": "x"}.')[0]?.name, 'everything__echo');
    assert.equal(called('use the tool `read_file` with {"path": "a.txt"}')[0]?.arguments, '{"path":"a.txt"}');
  });

  it('says what the tool gave, or why it failed', () => {
    const call = { name: 'everything__echo', arguments: args };
    const said = (result: string) => ask(phrase, ['everything__echo'], [{ call, result }]).text;
    assert.equal(said('Echo: hi'), 'everything.echo gave: Echo: hi');
    assert.match(said('one\ntwo'), /^everything\.echo gave 7 characters\.\n\n```\none\ntwo\n```$/);
    assert.equal(said('everything.echo: its time is up'), 'everything.echo: its time is up');
    assert.match(ask('use no.such with {}', ['read_file']).text, /needs the tool no__such, which is not offered/);
  });

  it('is one action among others, and no action without a JSON object', () => {
    const kinds = (text: string) => actionsOf(text).map(({ kind }) => kind);
    assert.deepEqual(kinds(phrase), ['call']);
    assert.deepEqual(kinds('Use a.b with {"x": 1}, then use a.c with {"y": {"z": 2}} and write the result to r.md'), [
      'call',
      'call',
      'write',
    ]);
    assert.deepEqual(kinds('calculate 1 + 2, and then use a.b with {}'), ['calculate', 'call']);
    assert.deepEqual(kinds('use a.b with {broken'), ['say']);
    assert.deepEqual(kinds('repeat after me: use a.b with {}'), ['say']);
  });
});
