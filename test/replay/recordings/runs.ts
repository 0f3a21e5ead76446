/** Sessions that go on in a next run, and conversations that grow too long. */
import assert from 'node:assert/strict';
import { until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { calling, done } from '../../helpers/replies.ts';
import { decideNext } from '../../helpers/requests.ts';
import type { ScriptedCall } from '../../helpers/team-script.ts';
import { ended, exchange, record, untilRun, untilStepRuns } from '../recorder.ts';

const mode = 'planning-control';
const files = ['a.txt', 'b.txt', 'c.txt'];
const begins = ({ task, lastRole }: ScriptedCall, file: string): boolean =>
  task === `write ${file}` && lastRole === 'user';
const slowly = (file: string): ScriptedReply => ({
  ...calling(['write_file', { path: file, content: file }]),
  delayMs: 1_000,
});

/** Each step and direct answer writes a file in each of so many rounds, then ends. */
const rounds =
  (count: number) =>
  ({ phase, task, messages }: ScriptedCall): ScriptedReply | undefined => {
    if (phase !== 'step' && phase !== 'one-shot') return undefined;
    const round = messages.filter(([role]) => role === 'tool').length + 1;
    if (round > count) return phase === 'step' ? done() : undefined;
    return calling(['write_file', { path: `${task.replaceAll(/\W/g, '-')}${round}.txt`, content: 'x' }]);
  };

record('grown-long-in-mid-plan', { script: { files } }, async ({ create }) => {
  const session = await create({ mode, config: { historyLimit: 40 } });
  await exchange(session, 'write three files');
  assert.ok((await session.info()).runs >= 2);
});

record('grown-long-in-mid-answer', { script: { instead: rounds(6) } }, async ({ create }) => {
  const session = await create({ config: { historyLimit: 40 } });
  await exchange(session, 'write many');
  assert.ok((await session.info()).runs >= 2);
});

record('side-by-side-in-two-runs', {}, async ({ create, play }) => {
  const steps = ['a', 'b'].map((part, index) => ({
    agent: 'engineer',
    task: `write ${part}`,
    notes: '',
    alongside: index === 1,
  }));
  play({ instead: (call) => (call.phase === 'planning' ? { json: { steps } } : rounds(4)(call)) });
  const session = await create({ mode, config: { historyLimit: 40 } });
  await exchange(session, 'write two parts');
  assert.ok((await session.info()).runs >= 2);
});

record('moved-between-turns', {}, async ({ create, temporal, name }) => {
  const session = await create({ context: { a: 1 } });
  await session.setContext('passing', 1, { ephemeral: true });
  await session.snapshot('mine');
  await exchange(session, 'hello');
  await temporal.workflow.getHandle(name).signal('move');
  await untilRun(session, 2);
  await session.restoreContext('latest');
  await exchange(session, 'again');
});

record('moved-while-asked', { script: { files: ['a.txt'] } }, async ({ create, temporal, name }) => {
  const session = await create({ mode, config: { approvals: { tools: { write: 'ask' } } } });
  await exchange(session, 'write', 'awaiting-approval');
  await temporal.workflow.getHandle(name).signal('move');
  await untilRun(session, 2);
  await decideNext(session, 'session');
  await ended(session);
});

record('edited-suspended-moved-steered', {}, async ({ create, play, temporal, name }) => {
  play({ files, instead: (call) => (begins(call, 'b.txt') ? slowly('b.txt') : undefined) });
  const session = await create({ mode });
  await session.send('write', { wait: false });
  await untilStepRuns(session, 2);
  await session.suspend();
  await session.editPlan([
    { op: 'add', at: 3, agent: 'writer', task: 'write d.txt' },
    { op: 'move', step: 4, to: 3 },
  ]);
  await session.send('and then?', { wait: false, messageId: 'waits' }).catch(() => undefined); // Refused: it is suspended.
  await temporal.workflow.getHandle(name).signal('move');
  await session.continue();
  await untilRun(session, 2);
  await ended(session);
  await exchange(session, 'thanks');
});

record('suspended-session-moved', {}, async ({ create, temporal, name }) => {
  const session = await create({ config: { idleTimeoutMs: 3_600_000 } });
  await exchange(session, 'hello');
  await session.suspend({ reason: 'lunch' });
  await temporal.workflow.getHandle(name).signal('move');
  await untilRun(session, 2);
  await session.continue();
  await exchange(session, 'again');
});

/** Summarised past 2,000 bytes; the newest 400 stay. */
const SMALL = { team: { compaction: { atTokens: 500, keepTokens: 100 } } };
const long = (number: number): string => `message ${number} ${'x'.repeat(600)}`;
const OVERFLOW: ScriptedReply = {
  status: 400,
  error: { code: 'context_length_exceeded', message: 'maximum context length is 100 tokens' },
};

record('summarised', { team: SMALL, script: { answer: 'noted' } }, async ({ create }) => {
  const session = await create();
  for (const number of [1, 2, 3, 4]) await exchange(session, long(number));
  await until('a summary', async () => (await session.transcript()).messages[0]?.text.startsWith('[Summary of'));
  await exchange(session, 'short');
});

record(
  'no-summary-to-be-had',
  {
    team: SMALL,
    script: {
      answer: 'noted',
      instead: ({ phase }) => (phase === 'summary' ? { status: 401, error: { message: 'no' } } : undefined),
    },
  },
  async ({ create }) => {
    const session = await create();
    for (const number of [1, 2, 3, 4]) await exchange(session, long(number));
    await until('the end of it', async () =>
      / earlier messages/.test((await session.transcript()).messages[0]?.text ?? ''),
    );
    await exchange(session, 'short');
  },
);

record('too-long-for-its-model-in-mid-turn', { team: SMALL }, async ({ create, play }) => {
  play({ answer: 'noted' });
  const session = await create();
  for (const number of [1, 2]) await exchange(session, long(number));
  play({
    instead: ({ phase, messages, lastRole }) => {
      if (phase !== 'one-shot') return undefined;
      if (lastRole === 'user') return calling(['write_file', { path: 'a.txt', content: 'a' }]);
      return messages[0]?.[1].startsWith('[Summary of ') === true ? { text: 'written' } : OVERFLOW;
    },
  });
  await exchange(session, 'write a file');
});

record('too-long-for-its-model-whatever-is-summarised', { team: SMALL }, async ({ create, play }) => {
  play({ answer: 'noted' });
  const session = await create();
  for (const number of [1, 2]) await exchange(session, long(number));
  play({ instead: ({ phase }) => (phase === 'one-shot' ? OVERFLOW : undefined) });
  await exchange(session, 'too much', 'failed');
});
