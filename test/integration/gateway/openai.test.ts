/** The OpenAI API of the gateway, by the official clients as they are. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI, { NotFoundError } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { loadConfig } from '../../../src/config.ts';
import { packageDir } from '../../../src/package-info.ts';
import { addKey, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { playCode } from '../../helpers/chats.ts';
import { startOpenAiGateway } from '../../helpers/openai-gateway.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { itInFull } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const run = promisify(execFile);
/** The official Python client that is used, from PyPI. */
const PYTHON_CLIENT = 'openai==3.57.0';

describe('[G05] the OpenAI API of the gateway', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  let key: string;
  let client: OpenAI;

  before(async () => {
    ({ world, gateway, key, client } = await startOpenAiGateway());
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });
  beforeEach(() => playTeam(world.model, { answer: 'four and two are six' }));

  const words = Array.from({ length: 40 }, (_, n) => `word${n} `).join('');

  itInFull('a conversation is a session, and a response a turn of it', async () => {
    const conversation = await client.conversations.create({ metadata: { topic: 'sums' } });
    const input = 'What is 4 + 2?';
    const headers = { 'idempotency-key': 'once' };
    const create = (): Promise<OpenAI.Responses.Response> =>
      client.responses.create({ model: 'default', conversation: conversation.id, input }, { headers });
    const response = await create();
    assert.deepEqual([response.status, response.output_text], ['completed', 'four and two are six']);
    const repeated = await create();
    assert.deepEqual([repeated.status, repeated.output_text], [response.status, response.output_text]);
    assert.ok((response.usage?.input_tokens ?? 0) > 0);
    const next = await client.responses.create({ model: 'default', previous_response_id: response.id, input: 'Sure?' });
    assert.deepEqual([next.conversation?.id, next.previous_response_id], [conversation.id, response.id]);
    const session = world.copilot.session(conversation.id.replace('conv_', ''));
    assert.equal((await session.info()).user, 'ada');
    assert.equal((await session.turns()).length, 2);
    const again = await client.responses.retrieve(response.id);
    assert.deepEqual([again.output_text, again.id], [response.output_text, response.id]);
    const items = await client.conversations.items.list(conversation.id, { order: 'asc' });
    assert.deepEqual(
      items.data.map((item) => 'content' in item && item.content),
      [
        [{ type: 'input_text', text: input }],
        [{ type: 'output_text', text: 'four and two are six', annotations: [] }],
        [{ type: 'input_text', text: 'Sure?' }],
        [{ type: 'output_text', text: 'four and two are six', annotations: [] }],
      ],
    );
    const sent = await client.responses.inputItems.list(response.id);
    assert.equal(sent.data.length, 1);
    await client.conversations.delete(conversation.id);
    await assert.rejects(client.responses.retrieve(response.id), NotFoundError);
  });

  it('goes on from an earlier response in a conversation of its own', async () => {
    const one = await client.responses.create({ input: 'first' });
    const two = await client.responses.create({ input: 'second', previous_response_id: one.id });
    const other = await client.responses.create({ input: 'another second', previous_response_id: one.id });
    assert.notEqual(other.conversation?.id, two.conversation?.id);
    const items = await client.conversations.items.list(other.conversation?.id ?? '', { order: 'asc' });
    assert.equal(items.data.length, 4);
    // Instructions go with each response, not only with the first.
    await client.responses.create({ input: 'And now?', previous_response_id: two.id, instructions: 'Be brief.' });
    assert.match(JSON.stringify(world.model.requests.at(-1)?.body), /Be brief\..*And now\?/);
  });

  it('streams text once, with the tools that ran, and goes on after any event at another gateway', async () => {
    playTeam(world.model, { answer: words, wordDelayMs: 20 });
    const events: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.create({ input: 'tell me', stream: true })) events.push(event);
    const text = textOf(events);
    assert.equal(text, words);
    const numbers = events.map((event) => event.sequence_number);
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].toSorted((a, b) => a - b),
    );
    const last = events.at(-1);
    assert.ok(last?.type === 'response.completed');
    assert.equal(last.response.output_text, words);

    playTeam(world.model, { answer: words, wordDelayMs: 40 });
    const background = await client.responses.create({ input: 'again', background: true });
    const first: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(background.id, { stream: true })) {
      first.push(event);
      if (event.type === 'response.output_text.delta' && first.length > 8) break;
    }
    await gateway.kill();
    gateway = await startGatewayProcess(world, Number(new URL(gateway.url).port));
    const starting_after = first.at(-1)?.sequence_number ?? 0;
    const rest: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(background.id, { stream: true, starting_after }))
      rest.push(event);
    assert.ok(rest.every((event) => event.sequence_number > starting_after));
    assert.equal(textOf([...first, ...rest]), words);
    assert.equal(rest.at(-1)?.type, 'response.completed');
  });

  it('asks for approval of exactly what was shown, and tells what ran', async () => {
    playCode(world.model);
    const asking = await client.responses.create({ input: 'run it' });
    const request = asking.output.find((item) => item.type === 'mcp_approval_request');
    assert.ok(request?.type === 'mcp_approval_request', JSON.stringify(asking));
    assert.deepEqual(
      [request.name, JSON.parse(request.arguments)],
      ['run_code', { language: 'node', code: 'console.log(1)' }],
    );
    const previous_response_id = asking.id;
    const answer = (id: string) => ({
      previous_response_id,
      // Beside an approval it is no message.
      instructions: 'Be brief.',
      input: [{ type: 'mcp_approval_response' as const, approval_request_id: id, approve: true }],
    });
    const other = request.id.replace(/[0-9a-f]{64}$/, '0'.repeat(64));
    await assert.rejects(client.responses.create(answer(other)), /digest|shown/i);
    const response = await client.responses.create(answer(request.id));
    assert.deepEqual([response.status, response.output_text], ['completed', 'it printed 1']);
    assert.deepEqual(
      response.output.filter((item) => item.type === 'mcp_call').map(({ name, status }) => [name, status]),
      [['run_code', 'completed']],
    );
    await assert.rejects(client.responses.create(answer(request.id)), /decided/i);
  });

  itInFull('cancels a response, and says what it cannot take', async () => {
    playTeam(world.model, { answer: words, wordDelayMs: 5_000 });
    const { id } = await client.responses.create({ input: 'slowly', background: true });
    const queued = await client.responses.create({ input: 'next', previous_response_id: id, background: true });
    assert.equal(queued.status, 'queued');
    assert.equal((await client.responses.cancel(queued.id)).status, 'cancelled');
    assert.equal((await client.responses.cancel(id)).status, 'cancelled');
    const tool = { type: 'function' as const, name: 'x', parameters: {}, strict: false };
    await assert.rejects(client.responses.create({ input: 'hi', tools: [tool] }), /tools run on the workers/);
    const count = await world.copilot.count();
    await assert.rejects(client.responses.create({ input: '' }), /input .*it is empty/);
    await assert.rejects(client.responses.create({ input: 'a\u0000b' }), /NUL/);
    assert.equal(await world.copilot.count(), count, 'what is refused begins no session');
    await assert.rejects(
      client.responses.create({ model: 'no-such-team', input: 'hi' }),
      /There is no team "no-such-team"/,
    );
    await assert.rejects(client.responses.retrieve('resp_x'), NotFoundError);
    const previous_response_id = id.replace(/turn-\d+$/, 'turn-99');
    await assert.rejects(client.responses.create({ input: 'hi', previous_response_id }), NotFoundError);
    const conversation = (await client.conversations.create()).id;
    await assert.rejects(
      client.responses.create({ input: 'hi', previous_response_id: id, conversation }),
      /leave one of them out/,
    );
    await assert.rejects(client.conversations.items.list(conversation, { after: 'msg_99' }), /no item/);
    await assert.rejects(client.conversations.items.list(conversation, { limit: 0 }), /use a number from 1 to 100/);
    await assert.rejects(client.files.list(), /There is no GET .*\/files\. docs\/protocols\.md/);
    const noJson = await fetch(`${gateway.url}/openai/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: '{',
    });
    assert.match(await noJson.text(), /it is not valid JSON/);
    const stranger = new OpenAI({
      baseURL: `${gateway.url}/openai/v1`,
      apiKey: await addKey(world, 'eve'),
      maxRetries: 0,
    });
    await assert.rejects(stranger.responses.retrieve(id), NotFoundError);
    await assert.rejects(stranger.responses.create({ previous_response_id: id, input: 'hi' }), NotFoundError);
  });

  it('chat completions take null where OpenAI does', async () => {
    const body = {
      model: null,
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: null, refusal: null },
        { role: 'user', content: 'What is 4 + 2?' },
      ],
      stream: null,
      stream_options: { include_usage: null },
      tools: null,
    };
    const answer = await client.post<OpenAI.ChatCompletion>('/chat/completions', { body });
    assert.equal(answer.choices[0]?.message.content, 'four and two are six');
    const wrong = { model: 'default', messages: [{ role: 'user', content: [{ type: 'image_url' }] }] };
    await assert.rejects(client.post('/chat/completions', { body: wrong }), /messages\[0\]/);
  });

  it('chat completions go on with the session whose conversation they send', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
    ];
    const first = await client.chat.completions.create({ model: 'default', messages });
    const content = first.choices[0]?.message.content ?? '';
    assert.equal(content, 'four and two are six');
    const next = [...messages, { role: 'assistant' as const, content }, { role: 'user' as const, content: 'Go on' }];
    const stream = await client.chat.completions.create({ model: 'default', messages: next, stream: true });
    let text = '';
    let id = '';
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      ({ id } = chunk);
    }
    assert.equal(text, 'four and two are six');
    assert.equal(id, first.id, 'one session');
    const other = await client.chat.completions.create({ model: 'default', messages: next });
    assert.notEqual(other.id, first.id, 'asked again, so another conversation');
    const session = world.copilot.session(other.id.replace('chatcmpl-', ''));
    assert.equal((await session.transcript()).messages.length, 4);
  });

  it('chat completions serve the AI SDK and LangChain, whole and streamed, in one session', async () => {
    const said = 'four and two are six';
    const [baseURL, at] = [`${gateway.url}/openai/v1`, (id: string) => id.replace('chatcmpl-', '')];
    const model = createOpenAICompatible({ name: 'copilot', baseURL, apiKey: key, includeUsage: true })('default');
    const whole = await generateText({ model, prompt: 'What is 4 + 2, said the AI SDK?' });
    assert.deepEqual([whole.text, whole.finishReason], [said, 'stop']);
    const messages = [
      { role: 'user' as const, content: 'What is 4 + 2, said the AI SDK?' },
      { role: 'assistant' as const, content: whole.text },
      { role: 'user' as const, content: 'Sure?' },
    ];
    const streamed = streamText({ model, messages });
    assert.equal(await streamed.text, said);
    assert.ok(((await streamed.usage).inputTokens ?? 0) > 0);
    const { id } = await streamed.response;
    assert.equal(id, whole.response.id, 'one session');
    assert.equal((await world.copilot.session(at(id)).info()).turns, 2);

    const chain = new ChatOpenAI({ model: 'default', apiKey: key, configuration: { baseURL }, maxRetries: 0 });
    const first = await chain.invoke('What is 4 + 2, said LangChain?');
    assert.equal(first.text, said);
    let text = '';
    const asked = [
      ['user', 'What is 4 + 2, said LangChain?'],
      ['assistant', first.text],
      ['user', 'Sure?'],
    ] as const;
    for await (const chunk of await chain.stream(asked.map(([role, content]) => ({ role, content })))) {
      text += chunk.text;
    }
    assert.equal(text, said);
    const chained = world.copilot.session(at(String(first.id)));
    assert.equal((await chained.info()).turns, 2);
  });

  it('the official Python client works as it is', async function () {
    const python = await pythonClient();
    const { stdout } = await run(python, [
      join(packageDir, 'test/helpers/openai_client.py'),
      `${gateway.url}/openai/v1`,
      key,
    ]);
    const said = 'four and two are six';
    const got = JSON.parse(stdout) as Record<string, unknown>; // what the script prints
    assert.deepEqual(
      { ...got, streamed: (got['streamed'] as string[]).at(-1) },
      {
        first: ['completed', said],
        streamed: 'response.completed',
        final: ['completed', said],
        background: [(got['background'] as string[])[0], 'response.completed', said],
        chat: said,
        chunks: said,
        items: [
          ['user', 'What is 2 + 3?'],
          ['assistant', said],
          ['user', 'And twice that?'],
          ['assistant', said],
          ['user', 'More'],
          ['assistant', said],
        ],
        metadata: { topic: 'sums' },
        models: ['default'],
      },
    );
  });

  function textOf(events: readonly ResponseStreamEvent[]): string {
    return events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
  }
});

/** A Python with the client, kept beside the server's program. */
async function pythonClient(): Promise<string> {
  const folder = join(loadConfig().cacheDir, 'python', PYTHON_CLIENT.replace('==', '-'));
  const python = join(folder, 'bin/python');
  if (existsSync(join(folder, 'ready'))) return python;
  await run('python3', ['-m', 'venv', folder]);
  await run(python, ['-m', 'pip', 'install', '--quiet', PYTHON_CLIENT]);
  await run('touch', [join(folder, 'ready')]);
  return python;
}
