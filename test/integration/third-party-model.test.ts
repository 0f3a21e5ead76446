/**
 * Turns against a stand-in for the OpenAI API that this project did not write: aimock, over real HTTP. It
 * answers in OpenAI's form but takes nearly any request, so what the real API would refuse in a request is checked
 * here, on the stand-in's journal. https://github.com/CopilotKit/aimock
 */
import { NO_USAGE } from '../../src/contracts/json.ts';
import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ChatCompletionRequest,
  type ChatMessage,
  type Fixture,
  type FixtureFileResponse,
  type FixtureMatch,
  type FixtureResponse,
  isChatCompletionBody,
  type JournalEntry,
  LLMock,
} from '@copilotkit/aimock';
import type { FollowEvent } from '../../src/client/follow/follower.ts';
import type { Model, ModelReply, ModelRequest } from '../../src/models/model.ts';
import { type PromptPhase, TASKS } from '../../src/agents/prompt.ts';
import { itInFull, someOf } from '../helpers/full.ts';
import { openModel } from '../helpers/open-model.ts';
import { collect, fails, isTurnEnd, screen } from '../helpers/client.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { phaseOf } from '../helpers/team-script.ts';
import type { World } from '../helpers/world.ts';

const KEY = 'sk-stand-in-0123456789';
/** As OpenAI names the model that answers when an alias is asked for. */
const SNAPSHOT = 'gpt-4.1-mini-2025-04-14';
/** Umlauts, and signs of two UTF-16 units: the stand-in cuts its chunks through the middle of some. */
const TEXT = Array.from({ length: 15 }, (_, index) => `Größe ${index} 🦜🌡️ “warm”,`).join('\n');
const SLOWLY = { chunkSize: 7, streamingProfile: { ttft: 100, tps: 30 } };
/** A second and a half, in few chunks: for each one the stand-in leaves a listener where it can be told to hang up. */
const SLOWLY_IN_LUMPS = { chunkSize: 40, streamingProfile: { ttft: 100, tps: 8 } };

describe('a third-party stand-in for the OpenAI API', function () {
  this.timeout(120_000);
  let standIn: LLMock;
  let world: World;

  before(async () => {
    standIn = await LLMock.create({ port: 0, auth: { apiKeys: [KEY] }, chunkSize: 9 });
    const env = { OPENAI_BASE_URL: `${standIn.url}/v1`, OPENAI_API_KEY: KEY };
    const agents = { writer: { tools: ['calculate', 'list_files'] } };
    world = await startWorldOf({ default: { team: { model: 'gpt-6-luna' }, agents } }, { env });
  });
  beforeEach(() => void standIn.reset());
  afterEach(() => {
    for (const body of chats()) assertAcceptable(body);
    assert.deepEqual(world.model.requests, [], "a request went to this project's own model server");
  });
  after(async () => {
    await world.stop();
    await standIn.stop();
  });

  const chats = (): ChatCompletionRequest[] => standIn.getRequests().map(({ body }) => chatOf(body));
  const statuses = (): number[] => standIn.getRequests().map(({ response }) => response.status);
  /** Milliseconds between the first request and the second. */
  const pause = (): number => {
    const [first, second] = standIn.getRequests();
    return (second?.timestamp ?? 0) - (first?.timestamp ?? 0);
  };
  /** The first request that matches gets `first`, later ones the text. */
  const answerAfter = (first: FixtureFileResponse, trouble: Partial<Fixture> = {}): void => {
    standIn.on({ ...phase('one-shot'), sequenceIndex: 0 }, first, trouble);
    standIn.on(phase('one-shot'), { content: TEXT, ...usage(30, 10) }, { chunkSize: 7 });
  };

  it('a planned turn is routed, planned, reviewed, done with tools on real files, and answered in a stream', async () => {
    scriptPlannedTurn(standIn);
    const file = join(await mkdtemp(join(world.server.homeDir, 'in-')), 'rivers.txt');
    await writeFile(file, 'Rhein\nWeser\nÜcker\n');
    const session = await world.copilot.create({ mode: 'copilot', attach: [file], message: 'shout the rivers' });
    const seen = await collect(session, isTurnEnd, 0);
    const turn = await session.awaitTurn('turn-1');

    assert.equal(turn.error, undefined);
    assert.deepEqual([turn.status, turn.route, turn.reply], ['completed', 'planned', TEXT]);
    assert.deepEqual(
      turn.steps.map(({ agent, status, attempts, summary }) => ({ agent, status, attempts, summary })),
      [
        { agent: 'engineer', status: 'completed', attempts: 1, summary: 'wrote loud.txt' },
        { agent: 'writer', status: 'completed', attempts: 1, summary: 'Three rivers.' },
      ],
    );
    const workspace = join(world.server.homeDir, 'workspaces', session.id);
    assert.equal(await readFile(join(workspace, 'loud.txt'), 'utf8'), 'RHEIN\nWESER\nÜCKER\n');
    assert.deepEqual(turn.artifacts, ['loud.txt']);
    assert.ok(pieces(seen) >= 5, 'the final answer came in pieces');

    assert.equal(
      chats()
        .map(({ messages }) => phaseOf(textOf(messages[0])))
        .join(' '),
      'routing planning review step step step step answer',
    );
    // As the stand-in counted: 8 calls, each with figures of its own.
    assert.deepEqual(turn.usage, {
      ...NO_USAGE,
      inputTokens: 11_111_111,
      outputTokens: 36,
      modelCalls: 8,
      toolCalls: 2,
    });
    assert.deepEqual((await session.usage()).total, turn.usage);
    assert.deepEqual(
      chats().map(({ response_format: format }) => format?.type),
      ['json_schema', 'json_schema', 'json_schema', ...Array.from({ length: 5 }, () => undefined)],
    );
  });

  itInFull(
    'a direct answer calls two tools at a time, and its text is seen while it is written, whole and once',
    async () => {
      standIn.on(
        { ...phase('one-shot'), hasToolResult: false },
        {
          content: 'Let me see. ',
          toolCalls: [
            { id: 'call_sum', name: 'calculate', arguments: { expression: '19 * 23' } },
            { id: 'call_list', name: 'list_files', arguments: {} },
          ],
          ...usage(500, 40),
        },
      );
      standIn.on({ ...phase('one-shot'), hasToolResult: true }, { content: TEXT, ...usage(700, 300) }, SLOWLY);
      const session = await world.copilot.create({ mode: 'one-shot', message: 'how warm?' });
      const seen = await collect(session, isTurnEnd, 0);
      const turn = await session.awaitTurn('turn-1');
      assert.deepEqual([turn.status, turn.reply], ['completed', TEXT]);
      assert.deepEqual(turn.usage, { ...NO_USAGE, inputTokens: 1_200, outputTokens: 340, modelCalls: 2, toolCalls: 2 });
      assert.equal(screen(seen), `Let me see. ${TEXT}`);
      assert.ok(pieces(seen) >= 10, `${pieces(seen)} pieces of a text that takes 2 s`);
      const results = chats()[1]?.messages.filter(({ role }) => role === 'tool');
      assert.deepEqual(
        results?.map(({ tool_call_id: id }) => id),
        ['call_sum', 'call_list'],
      );
      assert.equal(results?.[0]?.content, '437');

      assert.equal((await session.send('and now?')).status, 'completed');
      const roles = chats()[2]?.messages.map(({ role }) => role);
      assert.deepEqual(roles, ['system', 'user', 'assistant', 'user'], 'the next turn knows the one before');
    },
  );

  itInFull('what a model thinks aloud before it answers is not shown', async () => {
    standIn.on(phase('one-shot'), { content: 'short', reasoning: 'The person wants it short.' });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'briefly' });
    const seen = await collect(session, isTurnEnd, 0);
    assert.equal((await session.awaitTurn('turn-1')).reply, 'short');
    assert.equal(screen(seen), 'short');
  });

  itInFull('429 with retry-after is waited for as long as it says, 500 and 503 for a moment', async () => {
    answerAfter({ error: { message: 'Slow down', type: 'rate_limit_error' }, status: 429, retryAfter: 4 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    assert.equal((await session.send('first')).reply, TEXT);
    assert.deepEqual(statuses(), [429, 200]);
    assert.ok(pause() >= 4_000 && pause() < 10_000, `it came again after ${pause()} ms`);

    for (const status of [500, 503]) {
      standIn.reset();
      answerAfter({ error: { message: 'The server had an error', type: 'server_error' }, status });
      assert.equal((await session.send(`after ${status}`)).reply, TEXT);
      assert.deepEqual(statuses(), [status, 200]);
      assert.ok(pause() >= 900 && pause() < 10_000, `it came again after ${pause()} ms`);
    }
  });

  const HANG_UPS: [string, Partial<Fixture>][] = [
    ['in the middle of a text', { ...SLOWLY_IN_LUMPS, truncateAfterChunks: 6 }],
    ['after a time', { ...SLOWLY_IN_LUMPS, disconnectAfterMs: 900 }],
    ['before the first byte', { chaos: { disconnectRate: 1 } }],
    ['with a body that is no JSON', { chaos: { malformedRate: 1 } }],
  ];
  for (const [when, trouble] of someOf(HANG_UPS, 1)) {
    it(`a server that gives up ${when} is asked again, and no text is shown twice`, async () => {
      answerAfter({ content: TEXT, ...usage(999, 999) }, trouble);
      const session = await world.copilot.create({ mode: 'one-shot', message: 'go' });
      const seen = await collect(session, isTurnEnd, 0);
      assert.equal(screen(seen), TEXT);
      const turn = await session.awaitTurn('turn-1');
      assert.deepEqual([turn.status, turn.reply], ['completed', TEXT]);
      assert.deepEqual(turn.usage, { ...NO_USAGE, inputTokens: 30, outputTokens: 10, modelCalls: 1, toolCalls: 0 });
      const [first, second] = standIn.getRequests().map(({ response }) => response);
      assert.ok(first?.interrupted || first?.chaosAction, 'the stand-in did not give up');
      assert.deepEqual([second?.status, second?.interrupted, standIn.getRequests().length], [200, undefined, 2]);
      const withText = trouble.chaos === undefined;
      assert.equal(
        seen.some(({ type }) => type === 'reset'),
        withText,
        'half a text is taken back',
      );
    });
  }

  it('a tool call that was cut off in the middle is not carried out', async () => {
    const call = (content: string) => ({
      toolCalls: [{ id: 'call_w', name: 'write_file', arguments: { path: 'a.txt', content } }],
    });
    const asksWriter = { ...phase('step'), hasToolResult: false };
    scriptPlan(standIn, [{ agent: 'engineer', task: 'write a.txt', notes: '' }]);
    standIn.on({ ...asksWriter, sequenceIndex: 0 }, call('half'), {
      streamingProfile: { tps: 20 },
      truncateAfterChunks: 4,
    });
    standIn.on(asksWriter, call('whole'));
    standIn.onToolResult('call_w', report('written'));
    standIn.on(phase('answer'), { content: 'done' });
    const session = await world.copilot.create({ mode: 'copilot' });
    const turn = await session.send('write');
    assert.deepEqual([turn.status, turn.reply, turn.usage.toolCalls], ['completed', 'done', 1]);
    assert.equal(standIn.getRequests().filter(({ response }) => response.interrupted).length, 1);
    const file = join(world.server.homeDir, 'workspaces', session.id, 'a.txt');
    assert.equal(await readFile(file, 'utf8'), 'whole');
  });

  const REFUSALS: [number, string, string, RegExp][] = [
    [400, 'context_length_exceeded', 'ContextOverflow', /too long for model/],
    [400, 'invalid_value', 'ModelRejected', /Nothing doing/],
    [403, 'model_not_allowed', 'ModelRejected', /Nothing doing/],
    [404, 'model_not_found', 'ModelRejected', /Nothing doing/],
    [429, 'insufficient_quota', 'ModelRejected', /Nothing doing/],
  ];
  for (const [status, code, type, message] of someOf(REFUSALS, 1)) {
    it(`${status} ${code} ends the turn at once as ${type}, and the next message is answered`, async () => {
      answerAfter({ error: { message: 'Nothing doing', type: 'invalid_request_error', code }, status });
      const session = await world.copilot.create({ mode: 'one-shot' });
      const refused = await session.send('go');
      assert.deepEqual([refused.status, refused.error?.type], ['failed', type]);
      assert.match(refused.error?.message ?? '', message);
      assert.deepEqual(statuses(), [status]);
      assert.equal((await session.send('again')).reply, TEXT);
    });
  }

  itInFull(
    'a server that refuses JSON schemas is asked for plain JSON with the schema in words, once and for all',
    async () => {
      const refusal = {
        message: "Unknown value for 'response_format.type': json_schema",
        type: 'invalid_request_error',
      };
      standIn.on({ responseFormat: 'json_schema' }, { error: refusal, status: 400 });
      standIn.on({ responseFormat: 'json_object' }, { content: { month: 'May' } });
      const model = openModel({ baseUrl: `${standIn.url}/v1`, apiKey: KEY });
      const output = { name: 'month', schema: { type: 'object', properties: { month: { type: 'string' } } } };
      for (let time = 1; time <= 2; time++) assert.equal((await ask(model, { output })).text, '{"month":"May"}');
      await model.close();
      assert.deepEqual(statuses(), [400, 200, 200]);
      assert.match(textOf(chats()[1]?.messages[0]), /JSON schema:\n.*"month"/);
    },
  );

  itInFull('a reply that ran into its limit says so', async () => {
    standIn.on({}, { content: 'half a', finishReason: 'length' });
    const model = openModel({ baseUrl: `${standIn.url}/v1`, apiKey: KEY });
    const { text, finish } = await ask(model, { maxOutputTokens: 2 });
    await model.close();
    assert.deepEqual([text, finish, chats()[0]?.max_tokens], ['half a', 'length', 2]);
  });

  itInFull('a wrong key is refused clearly', async () => {
    standIn.on({}, { content: 'never' });
    const model = openModel({ baseUrl: `${standIn.url}/v1`, apiKey: 'sk-wrong-0123456789' });
    await fails(ask(model), 'ModelRejected', /Invalid API key/);
    await model.close();
  });
});

const ask = (model: Model, more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
  model.reply({
    system: 'Be brief.',
    messages: [{ role: 'user', text: 'Hello?' }],
    signal: AbortSignal.timeout(10_000),
    ...more,
  });

const phase = (name: PromptPhase): FixtureMatch => ({ endpoint: 'chat', systemMessage: TASKS[name] });

const usage = (input: number, output: number) => ({
  model: SNAPSHOT,
  usage: { prompt_tokens: input, completion_tokens: output },
});

const report = (summary: string, counted: object = {}): FixtureFileResponse => ({
  toolCalls: [{ name: 'report_step', arguments: { status: 'done', summary } }],
  ...counted,
});

/** Answers routing, planning and review; only where they are asked for by a JSON schema. */
function scriptPlan(standIn: LLMock, steps: readonly object[]): void {
  const structured = (name: PromptPhase): FixtureMatch => ({ ...phase(name), responseFormat: 'json_schema' });
  const decision = {
    route: 'planned',
    primaryAgent: 'engineer',
    refinedTask: 'do it',
    questions: [],
    reason: 'scripted',
  };
  standIn.on(structured('routing'), { content: decision, ...usage(1, 1) });
  standIn.on(structured('planning'), { content: { steps: [...steps] }, ...usage(10, 2) });
  standIn.on(structured('review'), { content: { approved: true, feedback: '' }, ...usage(100, 3) });
}

/** Two steps: the first reads `rivers.txt` and writes what it read in capitals, the second only looks. */
function scriptPlannedTurn(standIn: LLMock): void {
  scriptPlan(standIn, [
    { agent: 'engineer', task: 'shout', notes: '' },
    { agent: 'writer', task: 'count', notes: 'one river a line' },
  ]);
  const shout = { ...phase('step'), userMessage: '# Your step\nshout', hasToolResult: false };
  standIn.on(shout, {
    toolCalls: [{ id: 'call_read', name: 'read_file', arguments: { path: 'rivers.txt' } }],
    ...usage(1_000, 4),
  });
  standIn.onToolResult('call_read', (request): FixtureResponse => {
    // Made of what came over the wire, so that the file shows that the tool's result did.
    const content = textOf(request.messages.at(-1)).toUpperCase();
    const write = { id: 'call_write', name: 'write_file', arguments: JSON.stringify({ path: 'loud.txt', content }) };
    return { toolCalls: [write], ...usage(10_000, 5) };
  });
  standIn.onToolResult('call_write', report('wrote loud.txt', usage(100_000, 6)));
  const count = { ...phase('step'), userMessage: '# Your step\ncount' };
  standIn.on(count, report('Three rivers.', usage(1_000_000, 7)));
  standIn.on(phase('answer'), { content: TEXT, ...usage(10_000_000, 8) }, SLOWLY);
}

const pieces = (events: readonly FollowEvent[]): number => events.filter(({ type }) => type === 'token').length;

function textOf(message: ChatMessage | undefined): string {
  return typeof message?.content === 'string' ? message.content : assert.fail(`no text in ${JSON.stringify(message)}`);
}

function chatOf(body: unknown): ChatCompletionRequest {
  const isChat = isChatCompletionBody(body as JournalEntry['body']); // whatever the stand-in noted
  return isChat ? (body as ChatCompletionRequest) : assert.fail(`not a chat request: ${JSON.stringify(body)}`);
}

const KNOWN_KEYS = 'model messages stream stream_options tools temperature max_tokens response_format'.split(' ');
const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** @throws AssertionError for what OpenAI answers with 400 and the stand-in lets pass */
function assertAcceptable(body: ChatCompletionRequest): void {
  // Names with an underscore in front are the stand-in's own notes.
  const unknown = Object.keys(body).filter((key) => !key.startsWith('_') && !KNOWN_KEYS.includes(key));
  assert.deepEqual(unknown, []);
  assert.deepEqual([body.stream, body.stream_options], [true, { include_usage: true }]);
  assert.notEqual(body.tools?.length, 0, 'an empty list of tools');
  for (const { type, function: tool } of body.tools ?? []) {
    assert.equal(type, 'function');
    assert.match(tool.name, NAME);
    assert.equal(tool.parameters && 'type' in tool.parameters && tool.parameters.type, 'object');
  }
  assertConversation(body.messages);
}

/** Each tool call has JSON arguments and is answered, right after it, once. */
function assertConversation(messages: readonly ChatMessage[]): void {
  let open: string[] = [];
  for (const { role, content, tool_calls: calls, tool_call_id: id } of messages) {
    if (role === 'tool') {
      assert.ok(open.includes(String(id)), `nothing asked for the result of ${id}`);
      open = open.filter((other) => other !== id);
    } else {
      assert.deepEqual(open, [], 'tool calls without a result');
      open = (calls ?? []).map((call) => call.id);
    }
    if (!calls) assert.equal(typeof content, 'string');
    for (const call of calls ?? []) {
      assert.match(call.function.name, NAME);
      assert.equal(typeof JSON.parse(call.function.arguments), 'object');
    }
  }
  assert.deepEqual(open, [], 'tool calls without a result');
}
