/** AG-UI and the AI SDK's chat protocol, each by its own client. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentSubscriber, HttpAgent, type RunAgentResult } from '@ag-ui/client';
import type { RunFinishedEvent } from '@ag-ui/core';
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import type { SessionHandle } from '../../../src/client.ts';
import { turnEvents } from '../../../src/gateway/chats/turn-events.ts';
import type { Role } from '../../../src/gateway/principals/principal.ts';
import { itInFull } from '../../helpers/full.ts';
import { addKey, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { playCode, playQuestion, playTwoCodes, postForEvents, type Sent } from '../../helpers/chats.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

describe('chat protocols of the gateway', function () {
  this.timeout(300_000);
  let world: World;
  let gateway: TestGateway;
  let headers: Record<string, string>;

  before(async () => {
    const tools = ['read_file', 'write_file', 'run_code', 'ask_user'];
    world = await startWorldOf({ default: { agents: { engineer: { tools }, writer: { tools } } } });
    headers = { authorization: `Bearer ${await addKey(world, 'ada')}` };
    gateway = await startGatewayProcess(world);
  });
  after(async () => {
    await gateway.kill();
    await world.stop();
  });
  beforeEach(() => playTeam(world.model, { answer: words, wordDelayMs: 20 }));

  const words = Array.from({ length: 40 }, (_, n) => `word${n}`).join(' ');

  /** What the models were sent last, as one text. */
  const lastPrompt = (): string => JSON.stringify(world.model.requests.at(-1)?.body.messages);

  const post = (path: string, body: object, as = headers): ReturnType<typeof postForEvents> =>
    postForEvents(gateway.url + path, body, as);

  async function onlySessionOf(name: string): Promise<SessionHandle> {
    const { sessions } = await world.copilot.list({ user: name });
    assert.equal(sessions.length, 1);
    return world.copilot.session(sessions[0]?.id ?? '');
  }

  /** A person whom no other test knows. */
  const person = async (name: string, role?: Role): Promise<Record<string, string>> => ({
    authorization: `Bearer ${await addKey(world, name, role)}`,
  });

  it('[G06] the events of a turn end with it, whatever number they begin at, and an unknown turn has none', async () => {
    const session = await world.copilot.create({});
    const eventsOf = (turnId: string): ReturnType<typeof turnEvents> =>
      turnEvents(session, { turnId, from: 999_999 }, AbortSignal.timeout(60_000));
    const { id } = await session.send('tell me', { wait: false });
    let last = await eventsOf(id).next();
    assert.equal(last.done, false, 'the turn still runs');
    await session.awaitTurn(id);
    last = await eventsOf(id).next();
    assert.equal(last.done && last.value?.turn.status, 'completed');
    await assert.rejects(eventsOf('turn-77').next(), { type: 'InvalidInput' });
  });

  describe('[G06] AG-UI', () => {
    const agentOf = (threadId: string): HttpAgent => new HttpAgent({ url: `${gateway.url}/ag-ui`, headers, threadId });

    const lastText = ({ newMessages }: RunAgentResult): unknown =>
      newMessages.findLast(({ role }) => role === 'assistant')?.content;

    it('a thread is a session: each run is a turn', async () => {
      const agent = agentOf('thread one');
      agent.addMessage({ id: 'm1', role: 'user', content: 'tell me' });
      assert.equal(lastText(await agent.runAgent()), words);
      agent.addMessage({ id: 'm2', role: 'user', content: 'again' });
      assert.equal(lastText(await agent.runAgent()), words);
      const { sessions } = await world.copilot.list({ user: 'ada' });
      assert.equal(sessions.length, 1);
      assert.equal((await world.copilot.session(sessions[0]?.id ?? '').turns()).length, 2);
    });

    it('a request for approval is an interrupt, and its answer resumes the run', async () => {
      playCode(world.model);
      const agent = agentOf('thread two');
      agent.addMessage({ id: 'm1', role: 'user', content: 'run it' });
      const ends: RunFinishedEvent[] = [];
      const subscriber = { onRunFinishedEvent: ({ event }: { event: RunFinishedEvent }) => void ends.push(event) };
      await agent.runAgent({}, subscriber);
      const outcome = ends[0]?.outcome;
      assert.ok(outcome?.type === 'interrupt', JSON.stringify(ends));
      const [interrupt] = outcome.interrupts;
      assert.ok(interrupt);
      assert.equal(interrupt.reason, 'tool_call');
      const call = agent.messages
        .flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : []))
        .find(({ id }) => id === interrupt.toolCallId);
      assert.deepEqual(JSON.parse(call?.function.arguments ?? ''), { language: 'node', code: 'console.log(1)' });
      const resume = [{ interruptId: interrupt.id, status: 'resolved' as const, payload: { approved: true } }];
      const result = await agent.runAgent({ resume }, subscriber);
      assert.equal(lastText(result), 'it printed 1');
      assert.equal(ends[1]?.outcome?.type, 'success');
    });

    const run = (threadId: string, rest: object, as = headers): ReturnType<typeof post> =>
      post('/ag-ui', { threadId, runId: randomUUID(), ...rest }, as);
    const says = (id: string, content: string): object => ({ id, role: 'user', content });
    const interruptsOf = ({ events }: { readonly events: readonly Sent[] }): readonly string[] =>
      (events.at(-1)?.outcome?.interrupts ?? []).map(({ id }) => id);
    const approve = (interruptId: string): object => ({ interruptId, status: 'resolved', payload: { approved: true } });

    itInFull('a run that decides one of two requests ends at once, with the other one', async () => {
      playTwoCodes(world.model);
      const [first = '', second] = interruptsOf(await run('two requests', { messages: [says('m1', 'run both')] }));
      const half = await run('two requests', { messages: [says('m1', 'run both')], resume: [approve(first)] });
      assert.deepEqual(interruptsOf(half), [second]);
      const whole = await run('two requests', { messages: [], resume: [approve(second ?? '')] });
      assert.equal(whole.events.at(-1)?.outcome?.type, 'success', JSON.stringify(whole.events));
    });

    itInFull('nothing is decided if one of the answers is invalid', async () => {
      playTwoCodes(world.model);
      const [first = '', second = ''] = interruptsOf(await run('half', { messages: [says('m1', 'run both')] }));
      const wrong = { interruptId: second, status: 'resolved', payload: { yes: 1 } };
      assert.equal((await run('half', { resume: [approve(first), wrong] })).status, 400);
      const stale = approve(second.replace(/.{4}$/, '0000'));
      assert.equal((await run('half', { resume: [approve(first), stale] })).status, 409);
      const both = await run('half', { resume: [approve(first), approve(second)] });
      assert.equal(both.events.at(-1)?.outcome?.type, 'success', JSON.stringify(both.events));
    });

    itInFull('the same message again gets the request or the question that waits', async () => {
      playCode(world.model);
      const messages = [says('m1', 'run it')];
      const asked = interruptsOf(await run('again', { messages }));
      assert.equal(asked.length, 1);
      assert.deepEqual(interruptsOf(await run('again', { messages })), asked);
      playQuestion(world.model);
      const texts = ({ events }: { readonly events: readonly Sent[] }): string =>
        events.map(({ delta = '' }) => delta).join('');
      assert.match(texts(await run('asked again', { messages })), /which one\?/);
      assert.match(texts(await run('asked again', { messages })), /which one\?/);
    });

    itInFull('a request in a step of a plan interrupts a run, and the next run goes on with the step', async () => {
      let isDone = false;
      playTeam(world.model, {
        files: ['a.txt'],
        instead: ({ phase, lastRole }) => {
          if (phase !== 'step' || isDone) return undefined;
          isDone = lastRole === 'tool';
          return isDone ? undefined : calling(['run_code', { language: 'node', code: 'console.log(1)' }]);
        },
      });
      const agent = agentOf('planned');
      agent.addMessage({ id: 'm1', role: 'user', content: 'plan it' });
      const ends: RunFinishedEvent[] = [];
      const steps: string[] = [];
      const subscriber: AgentSubscriber = {
        onRunFinishedEvent: ({ event }) => void ends.push(event),
        onStepStartedEvent: ({ event }) => void steps.push(`start ${event.stepName}`),
        onStepFinishedEvent: ({ event }) => void steps.push(`end ${event.stepName}`),
      };
      await agent.runAgent({}, subscriber);
      const outcome = ends[0]?.outcome;
      assert.ok(outcome?.type === 'interrupt', JSON.stringify(ends));
      assert.deepEqual(steps, ['start step 1', 'end step 1']);
      const resume = outcome.interrupts.map(({ id }) => ({
        interruptId: id,
        status: 'resolved' as const,
        payload: { approved: true },
      }));
      await agent.runAgent({ resume }, subscriber);
      assert.equal(ends[1]?.outcome?.type, 'success');
      assert.deepEqual(steps.slice(2), ['start step 1', 'end step 1']);
    });

    itInFull('all that was said since the last answer is delivered, with rules and context', async () => {
      const system = { id: 's1', role: 'system', content: 'Be brief.' };
      const context = [{ description: 'open page', value: 'invoices' }];
      await run('many', { messages: [system, says('m1', 'first words'), says('m2', 'second words')], context });
      const prompt = lastPrompt();
      for (const part of ['Be brief.', 'first words', 'second words', 'open page: invoices'])
        assert.ok(prompt.includes(part), part);
    });

    itInFull('a run that answers an interrupt says nothing new', async () => {
      playCode(world.model);
      const asked = interruptsOf(await run('both', { messages: [says('m1', 'run it')] }));
      const resume = asked.map(approve);
      const answer = await run('both', { messages: [says('m1', 'run it'), says('m2', 'and stop')], resume });
      assert.equal(answer.status, 400);
      const decided = await run('both', { messages: [says('m1', 'run it')], resume });
      assert.equal(decided.events.at(-1)?.outcome?.type, 'success');
    });

    it('an approver answers the interrupts of others, in both protocols', async () => {
      playTwoCodes(world.model);
      const owner = await person('owner');
      const approver = await person('approver', 'approver');
      const [first = '', second = ''] = interruptsOf(await run('mine', { messages: [says('m1', 'run both')] }, owner));
      const { id } = await onlySessionOf('owner');
      assert.equal((await run(id, { messages: [says('m2', 'hello')] }, approver)).status, 403);
      assert.deepEqual(interruptsOf(await run(id, { resume: [approve(first)] }, approver)), [second]);
      const approval = { id: second, approved: true };
      const part = { type: 'dynamic-tool', state: 'approval-responded', approval };
      const sent = { id, messages: [{ id: 'turn-1', role: 'assistant', parts: [part] }] };
      assert.equal((await post('/ai-sdk/chat', sent, approver)).status, 200);
      assert.equal((await world.copilot.session(id).awaitTurn('turn-1')).status, 'completed');
    });

    itInFull('a thread is the session of its id, if the caller may see it', async () => {
      const session = await world.copilot.create({ id: 'mine-1', user: 'ada' });
      await run('mine-1', { messages: [says('m1', 'tell me')] });
      assert.equal((await session.turns()).length, 1);
      const other = await person('stranger');
      await run('mine-1', { messages: [says('m1', 'tell me')] }, other);
      assert.equal((await session.turns()).length, 1, 'a stranger has a thread of that name');
      assert.equal((await (await onlySessionOf('stranger')).turns()).length, 1);
    });

    it('a session that is deleted while it answers ends the streams with an error', async () => {
      playTeam(world.model, { answer: words, wordDelayMs: 2_000 });
      const owner = await person('deleter');
      const running = run('deleted', { messages: [says('m1', 'tell me')] }, owner);
      const chat = post(
        '/ai-sdk/chat',
        { id: 'deleted', messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'tell me' }] }] },
        owner,
      );
      while ((await world.copilot.list({ user: 'deleter' })).sessions.length === 0) await sleep(200);
      const session = await onlySessionOf('deleter');
      while ((await session.turns())[0]?.status !== 'running') await sleep(200);
      await sleep(1_000);
      await session.delete();
      assert.equal((await running).events.at(-1)?.type, 'RUN_ERROR');
      assert.equal((await chat).events.at(-1)?.type, 'error');
    });
  });

  describe('[G06] the AI SDK', () => {
    const transport = (): DefaultChatTransport<UIMessage> =>
      new DefaultChatTransport({ api: `${gateway.url}/ai-sdk/chat`, headers });
    const user = (id: string, text: string): UIMessage => ({ id, role: 'user', parts: [{ type: 'text', text }] });
    const send = (chatId: string, messages: UIMessage[]): Promise<ReadableStream<UIMessageChunk>> =>
      transport().sendMessages({
        chatId,
        messages,
        trigger: 'submit-message',
        messageId: undefined,
        abortSignal: undefined,
      });

    /** The message that a stream makes, by the SDK's own reader. */
    async function read(stream: ReadableStream<UIMessageChunk>, message?: UIMessage): Promise<UIMessage> {
      let last: UIMessage | undefined;
      for await (const state of readUIMessageStream({
        stream,
        terminateOnError: true,
        ...(message ? { message } : {}),
      }))
        last = state;
      assert.ok(last);
      return last;
    }

    const textOf = ({ parts }: UIMessage): string =>
      parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

    it('a chat is a session, and a message is delivered once', async () => {
      const messages = [user('m1', 'tell me')];
      const answer = await read(await send('chat one', messages));
      assert.equal(textOf(answer), words);
      assert.equal(textOf(await read(await send('chat one', messages))), words, 'the answer to it comes again');
      assert.equal(textOf(await read(await send('chat one', [...messages, answer, user('m2', 'again')]))), words);
      const { sessions } = await world.copilot.list({ user: 'ada' });
      const turns = await Promise.all(sessions.map(async ({ id }) => (await world.copilot.session(id).turns()).length));
      assert.ok(turns.includes(2));
    });

    it('a reload in the middle gets the whole message, and one afterwards none', async () => {
      playTeam(world.model, { answer: words, wordDelayMs: 60 });
      const stream = await send('chat two', [user('m1', 'tell me')]);
      const reader = stream.getReader();
      for (let seen = ''; !seen.includes('word3');) {
        const { value } = await reader.read();
        if (value?.type === 'text-delta') seen += value.delta;
      }
      await reader.cancel();
      const resumed = await transport().reconnectToStream({ chatId: 'chat two' });
      assert.ok(resumed);
      assert.equal(textOf(await read(resumed)), words);
      assert.equal(await transport().reconnectToStream({ chatId: 'chat two' }), null);
    });

    it('a request for approval is a part of the message, and its answer goes on with that', async () => {
      playCode(world.model);
      const question = user('m1', 'run it');
      const asking = await read(await send('chat three', [question]));
      const part = asking.parts.find((one) => one.type === 'dynamic-tool' && one.state === 'approval-requested');
      assert.ok(part?.type === 'dynamic-tool' && part.state === 'approval-requested', JSON.stringify(asking.parts));
      assert.deepEqual([part.toolName, part.input], ['run_code', { language: 'node', code: 'console.log(1)' }]);
      const decided = {
        ...part,
        state: 'approval-responded' as const,
        approval: { id: part.approval.id, approved: true },
      };
      const answered: UIMessage = { ...asking, parts: asking.parts.map((one) => (one === part ? decided : one)) };
      const whole = await read(await send('chat three', [question, answered]), answered);
      assert.equal(whole.id, asking.id);
      assert.match(textOf(whole), /it printed 1$/);
    });

    const body = (text: string, rest: object = {}): object => ({
      id: 'chat four',
      messages: [user('m1', text)],
      ...rest,
    });
    const chatTurns = async (as: string): Promise<number> => (await (await onlySessionOf(as)).turns()).length;
    const said = ({ events }: { readonly events: readonly Sent[] }): string =>
      events.map(({ type, delta = '' }) => (type === 'text-delta' ? delta : '')).join('');

    it('an edited message is a new one, and so is the first one when it comes back', async () => {
      const editor = await person('editor');
      playTeam(world.model, { instead: ({ last }) => ({ text: `you said ${last.split('\n').at(-1)}` }) });
      for (const text of ['red', 'blue', 'red']) {
        assert.match(said(await post('/ai-sdk/chat', body(text), editor)), new RegExp(text));
        assert.match(said(await post('/ai-sdk/chat', body(text), editor)), new RegExp(text));
      }
      assert.equal(await chatTurns('editor'), 3);
    });

    it('a message is answered anew when the person asks for that', async () => {
      const asker = await person('asker');
      for (const answer of ['one', 'two', 'three']) {
        playTeam(world.model, { answer });
        const trigger = answer === 'one' ? 'submit-message' : 'regenerate-message';
        assert.equal(said(await post('/ai-sdk/chat', body('tell me', { trigger }), asker)), answer);
      }
      assert.equal(await chatTurns('asker'), 3);
    });

    itInFull('there is nothing to resume in a chat that has not begun', async () => {
      assert.equal(await transport().reconnectToStream({ chatId: 'never begun' }), null);
    });

    itInFull('an answer that decides one of two requests ends at once, with the other one', async () => {
      playTwoCodes(world.model);
      const question = user('m1', 'run both');
      const asking = await read(await send('chat five', [question]));
      const ids = asking.parts.flatMap((one) =>
        one.type === 'dynamic-tool' && one.state === 'approval-requested' ? [one.approval.id] : [],
      );
      assert.equal(ids.length, 2);
      const parts = asking.parts.map((one) =>
        one.type === 'dynamic-tool' && one.state === 'approval-requested' && one.approval.id === ids[0]
          ? { ...one, state: 'approval-responded' as const, approval: { id: one.approval.id, approved: true } }
          : one,
      );
      const { events } = await post('/ai-sdk/chat', { id: 'chat five', messages: [question, { ...asking, parts }] });
      assert.deepEqual(
        events.flatMap(({ approvalId }) => (approvalId === undefined ? [] : [approvalId])),
        [ids[1]],
      );
      assert.equal(events.at(-1)?.type, 'finish');
    });
  });
});
