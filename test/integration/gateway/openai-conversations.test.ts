/** Which conversation a request of the OpenAI API belongs to: of retries, of old responses, and of several at once. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { NotFoundError } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { itInFull } from '../../helpers/full.ts';
import { addKey, type TestGateway } from '../../helpers/gateway.ts';
import { startOpenAiGateway } from '../../helpers/openai-gateway.ts';
import { calling } from '../../helpers/replies.ts';
import { playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const RUN = calling(['run_code', { language: 'node', code: 'console.log(1)' }]);

describe('[G05] conversations of the OpenAI API', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  let client: OpenAI;

  before(async () => {
    ({ world, gateway, client } = await startOpenAiGateway());
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });
  beforeEach(() => playTeam(world.model, { answer: 'four and two are six' }));

  const words = Array.from({ length: 40 }, (_, n) => `word${n} `).join('');

  itInFull('knows a response after 20 others, and cancels only the one that is named', async () => {
    const first = await client.responses.create({ input: 'first' });
    const session = world.copilot.session(sessionOf(first));
    for (let n = 0; n < 20; n++) await session.send(`more ${n}`);
    playTeam(world.model, { answer: words, wordDelayMs: 5_000 });
    const conversation = first.conversation?.id ?? '';
    const running = await client.responses.create({ input: 'slowly', conversation, background: true });
    const ended = await client.responses.cancel(first.id);
    assert.deepEqual([ended.id, ended.status, ended.output_text], [first.id, 'completed', 'four and two are six']);
    const unknown = first.id.replace(/turn-\d+$/, 'turn-99');
    await assert.rejects(client.responses.cancel(unknown), NotFoundError);
    await assert.rejects(client.responses.retrieve(unknown, { stream: true }), NotFoundError);
    await assert.rejects(client.responses.inputItems.list(unknown), NotFoundError);
    const never = first.id.replace(/\.\d+\./, '.99999.');
    await assert.rejects(client.responses.retrieve(never, { stream: true }), NotFoundError);
    assert.equal((await client.responses.retrieve(running.id)).status, 'in_progress', 'no other turn is stopped');
    const streamed: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(first.id, { stream: true })) streamed.push(event);
    assert.equal(textOf(streamed), 'four and two are six');
    assert.equal((await client.responses.cancel(running.id)).status, 'cancelled');
    playTeam(world.model, { answer: 'four and two are six' });
    const fork = await client.responses.create({ input: 'other', previous_response_id: first.id });
    assert.notEqual(fork.conversation?.id, first.conversation?.id);
    const { messages } = await world.copilot.session(sessionOf(fork)).transcript();
    assert.deepEqual(
      messages.filter(({ role }) => role === 'user').map(({ text }) => text),
      ['first', 'other'],
    );
  });

  it('a response of an Idempotency-Key is the same one however often and when it is asked for', async () => {
    playTeam(world.model, { answer: words, wordDelayMs: 50 });
    const once = (key: string) => ({ headers: { 'idempotency-key': key } });
    const begin = (extra: object = {}) => client.responses.create({ input: 'begin', ...extra }, once('begins'));
    const count = await world.copilot.count();
    const begun = await Promise.all([begin({ background: true }), begin({ background: true }), begin()]);
    const again = await begin();
    assert.deepEqual(new Set([...begun, again].map(({ id }) => id)).size, 1);
    assert.equal(again.output_text, words);
    assert.equal((await world.copilot.session(sessionOf(again)).turns()).length, 1);
    const stranger = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: await addKey(world, 'zoe') });
    const other = await stranger.responses.create({ input: 'begin', background: true }, once('begins'));
    assert.notEqual(other.id, again.id, 'keys of two people are two keys');

    playTeam(world.model, { answer: 'four and two are six' });
    const follow = () => client.responses.create({ input: 'and?', previous_response_id: again.id }, once('follows'));
    assert.equal((await follow()).id, (await follow()).id);
    const fork = () => client.responses.create({ input: 'or?', previous_response_id: again.id }, once('forks'));
    const forked = await fork();
    assert.notEqual(sessionOf(forked), sessionOf(again));
    assert.equal((await fork()).id, forked.id);
    const until = Date.now() + 20_000;
    while ((await world.copilot.count()) < count + 3 && Date.now() < until) await sleep(200);
    assert.equal(await world.copilot.count(), count + 3);

    playTeam(world.model, { instead: ({ tools }) => (tools.includes('run_code') ? RUN : undefined) });
    const conversation = (await client.conversations.create()).id;
    const ask = () => client.responses.create({ input: 'run it', conversation }, once('asks'));
    const asking = await ask();
    const repeated = await ask();
    assert.deepEqual([repeated.id, repeated.output], [asking.id, asking.output]);
    assert.equal(asking.output.at(-1)?.type, 'mcp_approval_request');

    playTeam(world.model, {
      answer: 'blue, then',
      instead: ({ lastRole, tools }) =>
        lastRole !== 'tool' && tools.includes('ask_user')
          ? calling(['ask_user', { question: 'Which colour?' }])
          : undefined,
    });
    const question = await client.responses.create({ input: 'paint it' });
    const answer = () => client.responses.create({ input: 'blue', previous_response_id: question.id }, once('answers'));
    const answered = await answer();
    assert.deepEqual([question.output_text, answered.output_text], ['Which colour?', 'blue, then']);
    assert.equal((await answer()).id, answered.id);
    assert.equal(sessionOf(answered), sessionOf(question));
    const asked = await client.responses.create({ input: 'paint it' });
    const without = await client.responses.create({ input: 'blue', previous_response_id: asked.id });
    assert.equal(without.output_text, 'blue, then');
    assert.notEqual(without.id, asked.id);
  });

  it('takes a conversation that a program keeps itself, with the items of earlier responses', async () => {
    const kept: OpenAI.Responses.ResponseInput = [
      { role: 'user', content: 'My name is Ada.' },
      { role: 'assistant', content: 'Hello Ada.' },
      { role: 'user', content: 'What is my name?' },
    ];
    const response = await client.responses.create(
      { input: kept, store: false },
      { headers: { 'idempotency-key': 'kept' } },
    );
    await client.responses.create({ input: kept, store: false }, { headers: { 'idempotency-key': 'kept' } });
    const { messages } = await world.copilot.session(sessionOf(response)).transcript();
    assert.deepEqual(
      messages.map(({ role, text }) => [role, text]),
      [
        ['user', 'My name is Ada.'],
        ['assistant', 'Hello Ada.'],
        ['user', 'What is my name?'],
        ['assistant', 'four and two are six'],
      ],
    );
    const call = { type: 'mcp_call' as const, id: 'mcp_1', server_label: 'copilot', name: 'run_code', arguments: '{}' };
    const reasoning = { type: 'reasoning' as const, id: 'rs_1', summary: [] };
    const request = { ...call, type: 'mcp_approval_request' as const, id: 'ask_1' };
    // The documented way, which the types of the client do not allow.
    const output = response.output as OpenAI.Responses.ResponseInput;
    const said = [{ role: 'user' as const, content: 'Go' }, request, call, reasoning, ...output];
    const next = await client.responses.create({ input: [...said, { role: 'user', content: 'Sure?' }] });
    const { messages: after } = await world.copilot.session(sessionOf(next)).transcript();
    assert.deepEqual(after.map(({ role, text }) => [role, text]).slice(0, 3), [
      ['user', 'Go'],
      ['assistant', 'four and two are six'],
      ['user', 'Sure?'],
    ]);
    await assert.rejects(client.responses.create({ input: said }), /input .*it is empty/);
  });

  itInFull('two messages that follow the same response are two conversations', async () => {
    playTeam(world.model, { answer: words, wordDelayMs: 20 });
    const first = await client.responses.create({ input: 'first' });
    const both = await Promise.all(
      ['left', 'right'].map((input) => client.responses.create({ input, previous_response_id: first.id })),
    );
    assert.equal(new Set(both.map(sessionOf)).size, 2);
    const texts = both.map(async (one) => (await world.copilot.session(sessionOf(one)).transcript()).messages);
    assert.deepEqual(
      (await Promise.all(texts)).map((messages) =>
        messages.filter(({ role }) => role === 'user').map(({ text }) => text),
      ),
      [
        ['first', 'left'],
        ['first', 'right'],
      ],
    );
    playTeam(world.model, { answer: words, wordDelayMs: 5_000 });
    const running = await client.responses.create({ input: 'slowly', background: true });
    const next = { previous_response_id: running.id, background: true };
    await client.responses.create({ input: 'left', ...next });
    await assert.rejects(
      client.responses.create({ input: 'right', ...next }),
      /409.*Another message follows it already/,
    );
  });

  it('refuses what a turn cannot do', async () => {
    const messages = [{ role: 'user' as const, content: 'Hello' }];
    const format = { type: 'json_schema' as const, name: 'sum', schema: { type: 'object' } };
    await assert.rejects(
      client.chat.completions.create({ model: 'default', messages, n: 2 }),
      /400.*\bn\b.*one answer/,
    );
    await assert.rejects(
      client.chat.completions.create({
        model: 'default',
        messages,
        response_format: { type: 'json_schema', json_schema: format },
      }),
      /response_format.*the team decides about the form/,
    );
    await assert.rejects(client.responses.create({ input: 'Hello', text: { format } }), /text\.format/);
    await client.responses.create({ input: 'Hello', text: { format: { type: 'text' } }, background: true });
    const items = [{ role: 'system' as const, content: 'Be brief.' }];
    await assert.rejects(client.conversations.create({ items }), /items\[0\]\.role.*no system messages/);
  });

  const sessionOf = ({ conversation }: OpenAI.Responses.Response): string =>
    conversation?.id.replace('conv_', '') ?? '';

  function textOf(events: readonly ResponseStreamEvent[]): string {
    return events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
  }
});
