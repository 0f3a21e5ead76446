/** Agents at work: hand-offs, tools side by side, steps side by side. Real server, real worker process. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SessionHandle } from '../../../src/client.ts';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { fullHistory, toolCallsIn } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, reporting } from '../../helpers/replies.ts';
import { callsOf, playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import { someOf } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const RELAY = {
  team: { limits: { rounds: 16, stepAttempts: 3, handoffs: 2 }, answering: { agent: 'writer' } },
  agents: { writer: { handoffs: ['engineer'] }, engineer: { handoffs: ['writer'] } },
};
const PATIENT = {
  team: { limits: { rounds: 100, stepAttempts: 3 }, answering: { agent: 'engineer' } },
  agents: { engineer: { tools: ['read_file', 'write_file', 'fetch_url'] } },
};

describe('agents at work', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf(
      { default: {}, relay: RELAY, patient: PATIENT },
      { env: { COPILOT_FETCH_PRIVATE: '1' } },
    );
  });
  after(() => world.stop());

  const agentOf = ({ system }: ScriptedCall): string => /I am the (\w+)/.exec(system)?.[1] ?? '';
  const since = (from: number): ScriptedCall[] => world.model.requests.slice(from).map(({ body }) => readCall(body));

  async function handovers(session: SessionHandle): Promise<(string | number | undefined)[][]> {
    const events = await collect(session, isTurnEnd, 0);
    return events.flatMap((event) => (event.type === 'handed-off' ? [[event.from, event.to, event.step]] : []));
  }

  it('[T07] an agent hands a direct answer over: the other goes on in the same conversation with its own tools, and followers see it', async () => {
    playTeam(world.model, {
      instead: (request) =>
        agentOf(request) === 'writer'
          ? calling(['transfer_to_engineer', { reason: 'it needs a file' }])
          : request.last.startsWith('Handed over')
            ? calling(['write_file', { path: 'a.txt', content: 'a' }])
            : undefined,
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'relay', mode: 'one-shot' });
    const turn = await session.send('write a file');
    assert.deepEqual([turn.status, turn.reply, turn.artifacts], ['completed', 'done', ['a.txt']]);
    const calls = since(from);
    assert.deepEqual(
      calls.map((request) => [agentOf(request), [...request.tools].sort().join(' ')]),
      [
        ['writer', 'read_file transfer_to_engineer write_file'],
        ['engineer', 'list_files read_file transfer_to_writer write_file'],
        ['engineer', 'list_files read_file transfer_to_writer write_file'],
      ],
    );
    assert.deepEqual(calls[1]?.messages, [
      ['user', 'write a file'],
      ['assistant', ''],
      ['tool', 'Handed over: engineer goes on from here.'],
    ]);
    assert.deepEqual(await handovers(session), [['writer', 'engineer', undefined]]);
    const said = (await session.transcript()).messages.at(-1);
    assert.equal(said?.role === 'assistant' && said.agent, 'engineer');
  });

  for (const mode of someOf(['one-shot', 'planning-control'] as const, 1)) {
    it(`[T07] agents that hand over to each other on and on are told to stop, in ${mode === 'one-shot' ? 'a direct answer' : 'a step'}`, async () => {
      playTeam(world.model, {
        files: ['a.txt'],
        instead: (request) => {
          if (request.phase !== 'one-shot' && request.phase !== 'step') return undefined;
          if (!request.last.includes('no more are allowed'))
            return calling([
              agentOf(request) === 'writer' ? 'transfer_to_engineer' : 'transfer_to_writer',
              {
                reason: 'you',
              },
            ]);
          return request.phase === 'step' ? reporting('done', 'I did it myself') : { text: 'I did it myself' };
        },
      });
      const from = world.model.requests.length;
      const session = await world.copilot.create({ team: 'relay', mode });
      const turn = await session.send('write a file');
      assert.equal(turn.status, 'completed');
      const isStep = mode === 'planning-control';
      const first = isStep ? 'engineer' : 'writer';
      const second = isStep ? 'writer' : 'engineer';
      const calls = since(from).filter(({ phase }) => phase === 'one-shot' || phase === 'step');
      assert.deepEqual(calls.map(agentOf), [first, second, first, first]);
      assert.match(calls.at(-1)?.last ?? '', /handed over 2 times already, and no more are allowed/);
      const step = isStep ? 1 : undefined;
      assert.deepEqual(await handovers(session), [
        [first, second, step],
        [second, first, step],
      ]);
      assert.equal(isStep ? turn.steps[0]?.summary : turn.reply, 'I did it myself');
    });
  }

  it('[T07] an agent is not offered hand-offs that it does not have, and cannot make one up', async () => {
    playTeam(world.model, {
      instead: ({ lastRole }) =>
        lastRole === 'user' ? calling(['transfer_to_planner', { reason: 'plan it' }]) : undefined,
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'relay', mode: 'one-shot' });
    assert.equal((await session.send('plan it')).status, 'completed');
    assert.match(
      since(from)[1]?.last ?? '',
      /^There is no tool "transfer_to_planner" here\. Tools: .*transfer_to_engineer/,
    );
    assert.deepEqual(await handovers(session), []);
  });

  it('[T08] the tool calls of one round run at the same time, and each shows in the history by its summary', async () => {
    const meeting = await startMeeting(3);
    try {
      playTeam(world.model, {
        instead: ({ lastRole }) =>
          lastRole === 'user'
            ? {
                toolCalls: ['x', 'y', 'z'].map((name) => ({
                  name: 'fetch_url',
                  arguments: { url: meeting.url(name) },
                })),
              }
            : undefined,
      });
      const from = world.model.requests.length;
      const session = await world.copilot.create({ team: 'patient', mode: 'one-shot' });
      const turn = await session.send('fetch three pages');
      assert.equal(turn.status, 'completed');
      assert.equal(turn.usage.toolCalls, 3);
      // The pages come only when all three are asked for.
      const answers = since(from)[1]?.messages.slice(2) ?? [];
      assert.deepEqual(
        answers.map(([role, text]) => [role, /page of \/(\w)/.exec(text)?.[1]]),
        [
          ['tool', 'x'],
          ['tool', 'y'],
          ['tool', 'z'],
        ],
      );
      const shown = toolCallsIn(await fullHistory(world.temporal, session.id)).map(({ summary }) => summary);
      assert.deepEqual(
        shown,
        ['x', 'y', 'z'].map((name) => `turn 1 · fetch_url ${meeting.url(name)}`),
      );
    } finally {
      await meeting.close();
    }
  });

  it('[T08] one call of a round that fails does not lose the others', async () => {
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, lastRole }) =>
        phase === 'step' && lastRole === 'user'
          ? {
              toolCalls: [
                { name: 'write_file', arguments: { path: '../outside.txt', content: 'no' } },
                { name: 'write_file', arguments: { path: 'inside.txt', content: 'yes' } },
                { name: 'no_such_tool', arguments: {} },
              ],
            }
          : undefined,
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'patient', mode: 'planning-control' });
    const turn = await session.send('write files');
    assert.deepEqual([turn.status, turn.artifacts], ['completed', ['inside.txt']]);
    const [, second] = since(from).filter(({ phase }) => phase === 'step');
    const answers = second?.messages.slice(2).map(([, text]) => text) ?? [];
    assert.equal(answers.length, 3);
    assert.match(answers[0] ?? '', /outside\.txt/);
    assert.match(answers[1] ?? '', /inside\.txt/);
    assert.match(answers[2] ?? '', /There is no tool "no_such_tool" here/);
    const shown = toolCallsIn(await fullHistory(world.temporal, session.id)).map(({ summary }) => summary);
    assert.deepEqual(shown, [
      'turn 1 · step 1 · write_file ../outside.txt no',
      'turn 1 · step 1 · write_file inside.txt yes',
    ]);
  });

  const SIDE_BY_SIDE: ScriptedReply = {
    json: {
      steps: ['a.txt', 'b.txt', 'c.txt', 'd.txt'].map((file, index) => ({
        agent: 'engineer',
        task: `write ${file}`,
        notes: '',
        alongside: index === 1 || index === 2,
      })),
    },
  };

  it('steps that need nothing of each other run side by side, and the next one waits for all of them', async () => {
    const begun = new Set<string>();
    const together = Promise.withResolvers<void>();
    playTeam(world.model, {
      // No answer of a step comes before three of them have asked.
      after: together.promise,
      instead: ({ phase, task }) => {
        if (phase === 'planning') return SIDE_BY_SIDE;
        if (phase === 'step') begun.add(task);
        if (begun.size === 3) together.resolve();
        return undefined;
      },
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write four files');
    assert.deepEqual([turn.status, [...turn.artifacts].sort()], ['completed', ['a.txt', 'b.txt', 'c.txt', 'd.txt']]);
    const steps = world.model.requests.slice(from).map(({ body }) => readCall(body).task);
    // Each step takes two calls.
    assert.deepEqual(
      steps.filter((task) => task !== '').map((task) => task === 'write d.txt'),
      [...Array<boolean>(6).fill(false), true, true],
    );
  });

  it('of steps side by side one fails: the others are kept, and continue runs only that one again', async () => {
    let isBroken = true;
    playTeam(world.model, {
      delayMs: 100,
      instead: ({ phase, task, lastRole }) => {
        if (phase === 'planning') return SIDE_BY_SIDE;
        if (isBroken && task === 'write b.txt') return reporting('failed', 'no ink');
        // Longer than all attempts of the one that fails.
        return task === 'write a.txt' && lastRole === 'tool'
          ? { ...reporting('done', 'a is written'), delayMs: 1_500 }
          : undefined;
      },
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const failed = await session.send('write four files');
    assert.deepEqual([failed.status, failed.error?.type], ['failed', 'StepFailed']);
    assert.match(failed.error?.message ?? '', /Step 2 failed 3 times: no ink/);
    assert.deepEqual(
      failed.steps.map(({ status }) => status),
      ['completed', 'failed', 'completed', 'pending'],
    );
    assert.equal(failed.steps[0]?.summary, 'a is written');
    assert.deepEqual(
      ((await session.getContext('copilot.results')) as { step: number }[]).map(({ step }) => step), // as the engine keeps them
      [1, 3],
    );

    isBroken = false;
    const from = world.model.requests.length;
    await session.continue();
    assert.equal((await session.awaitTurn(failed.id)).status, 'completed');
    assert.deepEqual(callsOf(world.model).slice(from), [
      'step write b.txt',
      'step (tool)',
      'step write d.txt',
      'step (tool)',
      'answer',
    ]);
  });

  it('a step is told the task, the plan, the last three summaries whole and the older ones in short', async () => {
    const files = ['a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt', 'f.txt'];
    const summaryOf = (task: string): string =>
      `${task}: ${'what was found, and where it lies; '.repeat(30)}end of ${task}`;
    playTeam(world.model, {
      files,
      instead: ({ phase, task }) => (phase === 'step' ? reporting('done', summaryOf(task)) : undefined),
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'planning-control' });
    assert.equal((await session.send('write six files')).status, 'completed');
    const brief = since(from).find(({ phase, task }) => phase === 'step' && task === 'write f.txt')?.last ?? '';
    assert.match(brief, /^# Task\nwrite six files\n\n# Plan\n1\. \[completed\] write a\.txt \(engineer\)\n/);
    assert.match(brief, /\n6\. \[in-progress\] write f\.txt \(engineer\)\n\n# Done so far\n## Step 1 /);
    for (const [index, file] of files.slice(0, 5).entries()) {
      const summary = summaryOf(`write ${file}`);
      assert.ok(brief.includes(summary.slice(0, 350)), file);
      assert.equal(brief.includes(summary), index >= 2, `${file}, whole`);
    }
  });
});

/** A web server that answers only when so many requests are there. */
async function startMeeting(count: number): Promise<{ url: (path: string) => string; close: () => Promise<void> }> {
  const waiting: (() => void)[] = [];
  const server: Server = createServer((request, response) => {
    waiting.push(() => void response.setHeader('content-type', 'text/plain').end(`page of ${request.url}`));
    if (waiting.length === count) for (const go of waiting.splice(0)) go();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo; // an object, since it listens on a port
  return {
    url: (path) => `http://127.0.0.1:${port}/${path}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
