/** What sessions ask of people. */
import assert from 'node:assert/strict';
import type { Decision, SessionHandle } from '../../../src/client.ts';
import { until } from '../../helpers/history.ts';
import { calling, done } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { ended, exchange, record } from '../recorder.ts';

const mode = 'planning-control';
const WRITING_ASKS = { tools: { write: 'ask' } } as const;
/** Rounds of the writer, each of which writes a file until there are so many. */
const writing =
  (count: number) =>
  ({ phase, messages }: { phase: string; messages: readonly (readonly [string, string])[] }) => {
    const written = messages.filter(([role]) => role === 'tool').length;
    if (phase !== 'one-shot' || written >= count) return undefined;
    return calling(['write_file', { path: `${written}.txt`, content: 'x' }]);
  };

/** Decides what waits, one request after another. */
async function decideAll(session: SessionHandle, decisions: readonly Decision[]): Promise<void> {
  for (const decision of decisions) {
    await session.awaitTurn('turn-1');
    await decideNext(session, decision, decision === 'raise' ? { limit: 100 } : { text: 'blue' });
  }
}

record('hitl-interactive-step-skipped', { script: { files: ['a.txt', 'b.txt'] } }, async ({ create }) => {
  const session = await create({ mode: 'hitl-interactive' });
  await session.send('write two');
  await decideAll(session, ['approve', 'approve', 'continue', 'skip']);
  await ended(session);
});

record(
  'plan-modified-step-redone-budget-raised',
  {
    team: { agents: { engineer: { tools: ['shell', 'write_file', 'ask_user'] } } },
    script: {
      files: ['b.txt', 'a.txt'],
      instead: ({ phase, task, lastRole }) => {
        if (phase !== 'step' || task !== 'write b.txt') return undefined;
        return lastRole === 'user'
          ? calling(['ask_user', { question: 'Which colour?' }], ['shell', { command: 'echo hi' }])
          : done('it is blue');
      },
    },
  },
  async ({ create }) => {
    const session = await create({
      mode,
      config: {
        approvals: { plan: true, beforeStep: true, afterStep: true },
        budget: { toolCalls: 1 },
        // It would be near the default limit, and go on in a next run only now and then.
        historyLimit: 1_000,
      },
    });
    await session.send('do it');
    await decideAll(session, ['modify', 'approve', 'approve']);
    // The question and the call of one round wait together.
    await until('two requests', async () => (await session.requests()).length === 2);
    for (const { id, kind } of await session.requests())
      await session.decide(id, kind === 'input' ? 'answer' : 'session', { by: 'ada', text: 'blue' });
    await decideAll(session, ['raise', 'redo', 'answer', 'continue']);
    await decideAll(session, ['approve', 'continue']);
    await ended(session);
  },
);

record('plan-rejected', { script: { files: ['a.txt'] } }, async ({ create }) => {
  const session = await create({ mode, config: { approvals: { plan: true } } });
  await session.send('write');
  await decideNext(session, 'reject', { text: 'not now' });
  await ended(session, 'turn-1', 'failed');
});

record('plan-request-expired-continued', { script: { files: ['a.txt'] } }, async ({ create }) => {
  const session = await create({ mode, config: { approvals: { plan: true, timeoutMs: 1_000 } } });
  await session.send('write');
  await until('the end', async () => (await session.awaitTurn('turn-1')).status === 'failed');
  await session.configure({ approvals: { plan: true } });
  await session.continue();
  await decideNext(session, 'approve');
  await ended(session);
});

record('steps-requests-expired', { script: { files: ['a.txt'] } }, async ({ create }) => {
  const session = await create({ mode, config: { approvals: { afterStep: true, timeoutMs: 1_000 } } });
  await session.send('write');
  await until('the end', async () => (await session.awaitTurn('turn-1')).status === 'completed');
  await session.configure({ approvals: { beforeStep: true, timeoutMs: 1_000 } });
  await session.send('write');
  await until('the end', async () => (await session.awaitTurn('turn-2')).status === 'failed');
});

record('tool-question-and-budget-expired', {}, async ({ create, play }) => {
  play({
    instead: ({ messages }) => {
      const told = messages.filter(([role]) => role === 'tool').length;
      if (told === 0) return calling(['write_file', { path: 'a.txt', content: 'a' }]);
      return told === 1 ? calling(['ask_user', { question: 'Which one?' }]) : undefined;
    },
  });
  const approvals = { ...WRITING_ASKS, timeoutMs: 1_000, inputTimeoutMs: 1_000 };
  const session = await create({ config: { approvals, budget: { rounds: 3 } } });
  await session.send('write');
  await until('the end', async () => (await session.awaitTurn('turn-1')).status === 'completed');
  await session.configure({ budget: { rounds: 1 }, approvals: { timeoutMs: 1_000 } });
  await session.send('write');
  await until('the end', async () => (await session.awaitTurn('turn-2')).status === 'failed');
});

record(
  'calls-denied-and-allowed',
  { team: { agents: { writer: { tools: ['write_file', 'ask_user'] } } } },
  async ({ create, play }) => {
    play({
      instead: (call) => {
        const told = call.messages.filter(([role]) => role === 'tool').length;
        return told === 2 ? calling(['ask_user', { question: 'Which one?' }]) : writing(2)(call);
      },
    });
    const session = await create({ config: { approvals: WRITING_ASKS } });
    await session.send('write');
    await decideNext(session, 'deny', { text: 'not this' });
    await session.awaitTurn('turn-1');
    await decideNext(session, 'once');
    await session.awaitTurn('turn-1');
    await decideNext(session, 'answer', { text: 'the first' });
    await ended(session);
  },
);

record('call-approved-with-other-arguments', { script: { instead: writing(1) } }, async ({ create }) => {
  const session = await create({ config: { approvals: WRITING_ASKS } });
  await session.send('write');
  const { id } = await nextRequest(session);
  await session.decide(id, 'once', { by: 'ada', arguments: { path: 'other.txt', content: 'y' } });
  await ended(session);
});

record('budget-raised-and-stopped', { script: { instead: writing(4) } }, async ({ create }) => {
  const session = await create({ config: { budget: { toolCalls: 1 } } });
  await session.send('write four files');
  await decideNext(session, 'raise', { limit: 2 });
  await session.awaitTurn('turn-1');
  await decideNext(session, 'stop');
  await ended(session, 'turn-1', 'failed');
  await session.continue();
  await decideNext(session, 'raise', { limit: 100 });
  await ended(session);
});

record('suspended-while-asked', { script: { files: ['a.txt'] } }, async ({ create }) => {
  const session = await create({ mode, config: { approvals: { plan: true } } });
  await session.send('write');
  await session.suspend({ reason: 'a break' });
  await decideNext(session, 'approve');
  await session.continue();
  await ended(session);
});

record('interrupted-while-asked', { script: { instead: writing(1) } }, async ({ create }) => {
  const session = await create({ config: { approvals: WRITING_ASKS } });
  await exchange(session, 'write', 'awaiting-approval');
  await session.interrupt({ reason: 'enough' });
  await ended(session, 'turn-1', 'interrupted');
});

record('edited-while-asked', { script: { files: ['a.txt', 'b.txt', 'c.txt'] } }, async ({ create }) => {
  const session = await create({ mode, config: { approvals: { plan: true, beforeStep: true } } });
  await session.send('write');
  await session.editPlan([{ op: 'remove', step: 3 }]);
  await decideNext(session, 'approve');
  await session.awaitTurn('turn-1');
  assert.equal((await nextRequest(session)).step, 1);
  await session.editPlan([{ op: 'restart', step: 1 }]);
  await until('the next request', async () => (await nextRequest(session)).id === 'req-3');
  await decideAll(session, ['approve', 'skip']);
  await ended(session);
});

record(
  'mode-of-the-team',
  {
    team: {
      team: {
        modes: {
          careful: {
            description: 'Asks about the plan',
            route: 'planned',
            approvals: { plan: true },
            budget: { rounds: 50 },
          },
        },
      },
    },
    script: { files: ['a.txt'] },
  },
  async ({ create }) => {
    const session = await create({ mode: 'careful' });
    await session.send('write');
    await decideNext(session, 'approve');
    await ended(session);
  },
);

record(
  'form-of-a-tool-filled-declined-and-cancelled',
  {
    team: {
      team: {
        answering: { agent: 'engineer' },
        // A path that is the same on every machine.
        mcp: {
          everything: { command: 'node', args: ['node_modules/@modelcontextprotocol/server-everything/dist/index.js'] },
        },
      },
      agents: { engineer: { tools: ['everything.trigger-elicitation-request'] } },
    },
    script: {
      instead: ({ phase, lastRole }) =>
        phase === 'one-shot' && lastRole !== 'tool'
          ? calling(['everything__trigger-elicitation-request', {}])
          : undefined,
    },
  },
  async ({ create }) => {
    const session = await create({ mode: 'one-shot' });
    await session.send('ask me', { wait: false });
    const { id } = await nextRequest(session);
    await session.decide(id, 'accept', { values: { name: 'Ada' } });
    await session.awaitTurn('turn-1');
    await session.send('ask me again', { wait: false });
    await decideNext(session, 'decline');
    await session.awaitTurn('turn-2');
    await session.send('ask me once more', { wait: false });
    await decideNext(session, 'cancel');
    await ended(session);
  },
);

record(
  'form-that-a-tool-takes-back',
  {
    team: {
      team: {
        answering: { agent: 'engineer' },
        mcp: { impatient: { command: 'node', args: ['test/helpers/impatient-server.ts'] } },
      },
      agents: { engineer: { tools: ['impatient.ask'] } },
    },
    script: {
      instead: ({ phase, lastRole }) =>
        phase === 'one-shot' && lastRole !== 'tool' ? calling(['impatient__ask', {}]) : undefined,
    },
  },
  async ({ create }) => {
    const session = await create({ mode: 'one-shot' });
    await session.send('ask me', { wait: false });
    await nextRequest(session);
    await until('the end of the question', async () => (await session.requests()).length === 0);
    const [decided] = await session.decisions();
    assert.equal(decided?.verdict.decision, 'withdrawn');
    assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
    await ended(session);
  },
);
