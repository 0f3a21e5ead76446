/** Messages that become plans. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { calling, done } from '../../helpers/replies.ts';
import type { ScriptedCall, TeamScript } from '../../helpers/team-script.ts';
import { decideNext } from '../../helpers/requests.ts';
import { ended, exchange, LONG_TALK, record, type Stage, untilStepRuns } from '../recorder.ts';

const mode = 'planning-control';
const failing = calling(['report_step', { status: 'failed', summary: 'no ink' }]);
const begins = ({ phase, lastRole, task }: ScriptedCall, file: string): boolean =>
  phase === 'step' && lastRole === 'user' && task === `write ${file}`;

record('routed-reviewed-revised-completed', {}, async ({ create, play }) => {
  const files = ['a.txt', 'b.txt'];
  let reviews = 0;
  play({
    files,
    instead: ({ phase }) =>
      phase === 'review' && (reviews += 1) === 1
        ? { json: { approved: false, feedback: 'the second file is missing' } }
        : undefined,
  });
  const session = await create({ mode: 'copilot', context: { tone: 'dry' }, user: 'ada' });
  const turn = await exchange(session, 'write two files');
  assert.deepEqual([turn.route, turn.steps.length], ['planned', 2]);
  await exchange(session, 'and again');
  await session.complete();
});

record('reply-of-the-last-step', {}, async ({ create, play }) => {
  const reporting = calling(['report_step', { status: 'done', summary: 'written', answer: 'It is written.' }]);
  play({
    files: ['a.txt'],
    instead: ({ phase, lastRole }) => (phase === 'step' && lastRole === 'tool' ? reporting : undefined),
  });
  const session = await create({ mode, config: { approvals: { afterStep: true } } });
  const { id } = await session.send('write a file', { wait: false });
  await decideNext(session, 'redo', { text: 'larger' });
  await decideNext(session, 'continue');
  assert.equal((await session.awaitTurn(id)).reply, 'It is written.');
  await session.complete();
});

record(
  'side-by-side-one-fails-continued',
  { team: { agents: { engineer: { handoffs: ['writer'] } } } },
  async ({ create, play }) => {
    const steps = ['a.txt', 'b.txt', 'c.txt', 'd.txt'].map((file, index) => ({
      agent: 'engineer',
      task: `write ${file}`,
      notes: '',
      alongside: index === 1 || index === 2,
    }));
    const script = (instead: TeamScript['instead']): TeamScript => ({
      instead: (call) => (call.phase === 'planning' ? { json: { steps } } : instead?.(call)),
    });
    play(
      script((call) => {
        if (begins(call, 'b.txt')) return failing;
        return begins(call, 'c.txt') && !call.system.includes('I am the writer')
          ? calling(['write_file', { path: 'c.txt', content: 'c' }], ['transfer_to_writer', {}])
          : undefined;
      }),
    );
    const session = await create({ mode });
    await exchange(session, 'write four files', 'failed');
    play(script(undefined));
    await session.continue();
    await ended(session);
  },
);

/** A plan of four steps, suspended in the middle of its second. */
async function suspendedInSecond({ create, play }: Stage): Promise<SessionHandle> {
  const files = ['a.txt', 'b.txt', 'c.txt', 'd.txt'];
  play({
    files,
    instead: (call) =>
      begins(call, 'b.txt')
        ? { ...calling(['write_file', { path: 'b.txt', content: 'b' }]), delayMs: 1_000 }
        : undefined,
  });
  const session = await create({ mode });
  await session.send('write four files', { wait: false });
  await untilStepRuns(session, 2);
  await session.suspend();
  play({ files });
  return session;
}

record('edited-while-suspended', {}, async (stage) => {
  const session = await suspendedInSecond(stage);
  await session.editPlan([
    { op: 'add', at: 3, agent: 'writer', task: 'write new.txt', notes: 'in between' },
    { op: 'remove', step: 4 },
    { op: 'move', step: 4, to: 3 },
    { op: 'change', step: 4, agent: 'engineer', task: 'write other.txt' },
  ]);
  await session.continue();
  assert.equal((await ended(session)).steps.length, 4);
});

record('restarted-while-suspended', {}, async (stage) => {
  const session = await suspendedInSecond(stage);
  await session.editPlan([{ op: 'restart', step: 1 }]);
  await session.continue();
  await ended(session);
});

record('restarted-after-its-end', { script: { files: ['a.txt', 'b.txt'] } }, async ({ create }) => {
  const session = await create({ mode });
  await exchange(session, 'write');
  await session.editPlan([
    { op: 'add', at: 3, agent: 'writer', task: 'write c.txt' },
    { op: 'restart', step: 2 },
  ]);
  assert.equal((await ended(session)).steps.length, 3);
});

record('restarted-in-mid-step', {}, async ({ create, play }) => {
  const files = ['a.txt', 'b.txt'];
  play({
    files,
    instead: (call) => (begins(call, 'b.txt') ? { text: LONG_TALK.answer ?? '', wordDelayMs: 100 } : undefined),
  });
  const session = await create({ mode });
  await session.send('write', { wait: false });
  await untilStepRuns(session, 2);
  play({ files });
  await session.editPlan([{ op: 'restart', step: 1 }]);
  await ended(session);
});

record('failed-step-edited-continued', {}, async ({ create, play }) => {
  const files = ['a.txt', 'b.txt'];
  play({ files, instead: ({ phase, task }) => (phase === 'step' && task === 'write a.txt' ? failing : undefined) });
  const session = await create({ mode });
  const turn = await exchange(session, 'write', 'failed');
  assert.equal(turn.steps[0]?.attempts, 3);
  await session.editPlan([{ op: 'change', step: 1, task: 'write instead.txt' }]);
  await session.continue();
  await ended(session);
});

record('failed-step-retried', {}, async ({ create, play }) => {
  let failures = 0;
  play({ files: ['a.txt'], instead: (call) => (begins(call, 'a.txt') && (failures += 1) === 1 ? failing : undefined) });
  const turn = await exchange(await create({ mode }), 'write');
  assert.equal(turn.steps[0]?.attempts, 2);
});

record('plan-never-usable', { script: { files: [] } }, async ({ create }) => {
  await exchange(await create({ mode }), 'write', 'failed');
});

record(
  'step-result-corrected',
  {
    team: { agents: { engineer: { tools: [], output: { type: 'object', required: ['city'] } } } },
    script: {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase === 'step'
          ? calling([
              'report_step',
              { status: 'done', summary: 'found', ...(lastRole === 'tool' ? { result: { city: 'Ulm' } } : {}) },
            ])
          : undefined,
    },
  },
  async ({ create }) => void (await exchange(await create({ mode }), 'which city?')),
);

record(
  'step-too-long-for-its-model',
  {
    script: {
      files: ['a.txt'],
      instead: ({ phase, messages }) => {
        if (phase !== 'step') return undefined;
        const results = messages.filter(([role]) => role === 'tool').map(([, text]) => text);
        if (results.length === 0) return calling(['write_file', { path: 'a.txt', content: 'c'.repeat(200) }]);
        // Each in another way: an agent that makes the same call again and again is stopped.
        if (results.length < 4) return calling(['read_file', { path: 'a.txt', limit_lines: results.length }]);
        if (results.slice(1, 3).every((text) => text.startsWith('[Left out'))) return done('it fits');
        return { status: 400, error: { code: 'context_length_exceeded', message: 'too long' } };
      },
    },
  },
  async ({ create }) => void (await exchange(await create({ mode }), 'write')),
);

record(
  'planned-by-the-answering-agent',
  {
    team: { team: { routing: {} } },
    script: {
      files: ['a.txt'],
      instead: ({ phase }) =>
        phase === 'inline'
          ? calling(['make_plan', { steps: [{ agent: 'engineer', task: 'write a.txt', notes: '', alongside: false }] }])
          : undefined,
    },
  },
  async ({ create }) => void (await exchange(await create({ mode: 'copilot' }), 'write')),
);
