/** AG-UI and the AI SDK's chat protocol, each by its own client. */
import assert from 'node:assert/strict';
import { HttpAgent, type RunAgentResult } from '@ag-ui/client';
import type { RunFinishedEvent } from '@ag-ui/core';
import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import { addKey, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
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

  /** The agent runs code once, which waits for a person. */
  function playCode(): void {
    let isDone = false;
    playTeam(world.model, {
      answer: 'it printed 1',
      instead: ({ lastRole, tools }) => {
        if (lastRole === 'tool') isDone = true;
        return !isDone && tools.includes('run_code')
          ? calling(['run_code', { language: 'node', code: 'console.log(1)' }])
          : undefined;
      },
    });
  }

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
      playCode();
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
      playCode();
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
  });
});
