/** Agents at work: hand-offs, tools side by side, steps side by side, and work that moves to the next run. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultPayloadConverter } from '@temporalio/common';
import type { RunToolInput } from '../../../src/contracts/activities.ts';
import type { SessionHandle } from '../../../src/index.ts';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { fullHistory, type HistoryEvent, until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { callsOf, playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const RELAY = {
  team: { limits: { rounds: 16, stepAttempts: 3, handoffs: 2 }, answering: { agent: 'writer' } },
  agents: { writer: { handoffs: ['engineer'] }, engineer: { handoffs: ['writer'] } },
};
const PATIENT = {
  team: { limits: { rounds: 100, stepAttempts: 3 }, answering: { agent: 'engineer' } },
  agents: { engineer: { tools: ['read_file', 'write_file', 'fetch_url'] } },
};

const call = (name: string, args: object = {}): ScriptedReply => ({ toolCalls: [{ name, arguments: args }] });
const report = (status: 'done' | 'failed', summary: string): ScriptedReply =>
  call('report_step', { status, summary });

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
          ? call('transfer_to_engineer', { reason: 'it needs a file' })
          : request.last.startsWith('Handed over')
            ? call('write_file', { path: 'a.txt', content: 'a' })
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

  for (const mode of ['one-shot', 'planning-control'] as const) {
    it(`[T07] agents that hand over to each other on and on are told to stop, in ${mode === 'one-shot' ? 'a direct answer' : 'a step'}`, async () => {
      playTeam(world.model, {
        files: ['a.txt'],
        instead: (request) => {
          if (request.phase !== 'one-shot' && request.phase !== 'step') return undefined;
          if (!request.last.includes('no more are allowed'))
            return call(agentOf(request) === 'writer' ? 'transfer_to_engineer' : 'transfer_to_writer', { reason: 'you' });
          return request.phase === 'step' ? report('done', 'I did it myself') : { text: 'I did it myself' };
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
      instead: ({ lastRole }) => (lastRole === 'user' ? call('transfer_to_planner', { reason: 'plan it' }) : undefined),
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'relay', mode: 'one-shot' });
    assert.equal((await session.send('plan it')).status, 'completed');
    assert.match(since(from)[1]?.last ?? '', /^There is no tool "transfer_to_planner" here\. Tools: .*transfer_to_engineer/);
    assert.deepEqual(await handovers(session), []);
  });

  it('[T08] the tool calls of one round run at the same time, and each shows in the history by its summary', async () => {
    const meeting = await startMeeting(3);
    try {
      playTeam(world.model, {
        instead: ({ lastRole }) =>
          lastRole === 'user'
            ? { toolCalls: ['x', 'y', 'z'].map((name) => ({ name: 'fetch_url', arguments: { url: meeting.url(name) } })) }
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
      const shown = (await fullHistory(world.temporal, session.id)).filter(isToolCall).map(summaryOf);
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
    const shown = (await fullHistory(world.temporal, session.id)).filter(isToolCall).map(summaryOf);
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
    playTeam(world.model, {
      delayMs: 500,
      instead: ({ phase }) => (phase === 'planning' ? SIDE_BY_SIDE : undefined),
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write four files');
    assert.deepEqual([turn.status, [...turn.artifacts].sort()], ['completed', ['a.txt', 'b.txt', 'c.txt', 'd.txt']]);
    const started = new Map(
      world.model.requests.slice(from).flatMap(({ body, startedAt }) => {
        const { task, lastRole } = readCall(body);
        return lastRole === 'user' && task !== '' ? [[task, startedAt] as const] : [];
      }),
    );
    const at = (file: string): number => started.get(`write ${file}`) ?? Number.NaN;
    // A step takes two calls of 500 ms: what begins within the first of them runs beside it.
    for (const file of ['b.txt', 'c.txt']) assert.ok(Math.abs(at(file) - at('a.txt')) < 500, `${file} waited`);
    for (const file of ['a.txt', 'b.txt', 'c.txt']) assert.ok(at('d.txt') - at(file) >= 1_000, `d.txt did not wait for ${file}`);
  });

  it('of steps side by side one fails: the others are kept, and continue runs only that one again', async () => {
    let isBroken = true;
    playTeam(world.model, {
      delayMs: 100,
      instead: ({ phase, task, lastRole }) => {
        if (phase === 'planning') return SIDE_BY_SIDE;
        if (isBroken && task === 'write b.txt') return report('failed', 'no ink');
        // Longer than all attempts of the one that fails.
        return task === 'write a.txt' && lastRole === 'tool' ? { ...report('done', 'a is written'), delayMs: 1_500 } : undefined;
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
    const { values } = await session.context();
    assert.deepEqual(
      (values['results'] as { step: number }[]).map(({ step }) => step), // as the engine keeps them
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

  for (const mode of ['planning-control', 'one-shot'] as const) {
    it(`${mode === 'one-shot' ? 'a direct answer' : 'a step'} of many rounds goes on in the next run where it was: same answer, every call made once, every key used once`, async () => {
      playRounds(ROUNDS);
      const from = world.model.requests.length;
      const [short, long] = await Promise.all(
        [40, 10_000].map(async (historyLimit) => {
          const session = await world.copilot.create({ team: 'patient', mode, config: { historyLimit } });
          return { session, turn: await session.send(`limit ${historyLimit}`) };
        }),
      );
      assert.ok(short && long);
      const { runs } = await short.session.info();
      assert.ok(runs >= 4, `${ROUNDS} rounds took only ${runs} runs`);
      assert.equal((await long.session.info()).runs, 1);
      for (const { turn } of [short, long]) assert.equal(turn.status, 'completed');
      const told = ({ turn: { reply, steps, artifacts, usage } }: typeof short) => ({ reply, steps, artifacts, usage });
      assert.deepEqual({ ...told(short), usage: null }, { ...told(long), usage: null });
      assert.equal(short.turn.usage.modelCalls, long.turn.usage.modelCalls);

      const seen = ([short, long] as const).map((_, index) => {
        const name = index === 0 ? 'limit 40' : 'limit 10000';
        const requests = since(from).filter(({ messages }) => messages.some(([, text]) => text.endsWith(name) || text.includes(`${name}\n`)));
        return requests.map(({ phase, messages }) => JSON.stringify([phase, messages]).replaceAll(name, 'limit'));
      });
      assert.deepEqual(seen[0], seen[1], 'the models of both heard the same');
      assert.equal(new Set(seen[0]).size, seen[0]?.length);

      const keys = (await fullHistory(world.temporal, short.session.id)).filter(isToolCall).map(keyOf);
      assert.equal(keys.length, ROUNDS);
      assert.equal(new Set(keys).size, ROUNDS);
      assert.deepEqual(
        keys,
        (await fullHistory(world.temporal, long.session.id)).filter(isToolCall).map(keyOf),
      );
    });
  }

  it('steps side by side move together, also when the worker is killed then', async () => {
    const steps = ['a', 'b'].map((name, index) => ({
      agent: 'engineer',
      task: `write part ${name}`,
      notes: '',
      alongside: index === 1,
    }));
    playRounds(12, { json: { steps } }, 50);
    const session = await world.copilot.create({
      team: 'patient',
      mode: 'planning-control',
      config: { historyLimit: 40 },
    });
    const sent = await session.send('write two parts', { wait: false });
    await until('the second run', async () => (await session.info()).runs >= 2);
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
    const turn = await session.awaitTurn(sent.id);
    assert.equal(turn.status, 'completed');
    assert.deepEqual(
      turn.steps.map(({ status, attempts, summary }) => [status, attempts, summary]),
      [
        ['completed', 1, '12 rounds'],
        ['completed', 1, '12 rounds'],
      ],
    );
    const keys = (await fullHistory(world.temporal, session.id)).filter(isToolCall).map(keyOf);
    assert.equal(keys.length, 24);
    assert.equal(new Set(keys).size, 24);
  });

  it('a step that reads more than a session can carry forgets its oldest results, and goes on in the next run', async () => {
    const size = 24_000;
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, messages }) => {
        if (phase !== 'step') return undefined;
        const round = messages.filter(([role]) => role === 'assistant').length;
        if (round === 0) return call('write_file', { path: 'big.txt', content: 'b'.repeat(size) });
        if (round > 20) return report('done', 'all read');
        return { toolCalls: Array.from({ length: 5 }, () => ({ name: 'read_file', arguments: { path: 'big.txt' } })) };
      },
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({
      team: 'patient',
      mode: 'planning-control',
      config: { historyLimit: 40 },
    });
    const turn = await session.send('read a lot');
    assert.deepEqual([turn.status, turn.steps[0]?.summary, turn.steps[0]?.attempts], ['completed', 'all read', 1]);
    const history = await fullHistory(world.temporal, session.id);
    assert.equal(history.filter(isToolCall).length, 101);
    const starts = history.flatMap(({ workflowExecutionStartedEventAttributes: started }) =>
      started ? [started.input?.payloads?.[0]?.data?.length ?? 0] : [],
    );
    assert.ok(starts.length > 3, `${starts.length} runs`);
    for (const bytes of starts) assert.ok(bytes < 512 * 1024, `a run was started with ${bytes} bytes`);
    const last = since(from).filter(({ phase }) => phase === 'step').at(-1);
    const results = (last?.messages ?? []).filter(([role]) => role === 'tool').map(([, text]) => text);
    assert.equal(results.length, 101);
    assert.match(results[1] ?? '', /^\[Left out, since there was too much to read\./);
    for (const text of results.slice(-5)) assert.ok(text.length >= size, 'the newest results are whole');
  });

  it('a step that is too long for its model forgets what it has read before, once, and goes on', async () => {
    let refused = 0;
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, messages }) => {
        if (phase !== 'step') return undefined;
        const results = messages.filter(([role]) => role === 'tool').map(([, text]) => text);
        if (results.length === 0) return call('write_file', { path: 'a.txt', content: 'c'.repeat(200) });
        if (results.length < 4) return call('read_file', { path: 'a.txt' });
        if (results.slice(1, 3).every((text) => text.startsWith('[Left out'))) return report('done', 'it fits');
        refused += 1;
        return { status: 400, error: { code: 'context_length_exceeded', message: 'too long' } };
      },
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write');
    assert.deepEqual([turn.status, turn.steps[0]?.summary, refused], ['completed', 'it fits', 1]);
    assert.equal(turn.usage.toolCalls, 4);
  });

  const ROUNDS = 20;

  /** Each step and direct answer writes a file in each of so many rounds, then ends. */
  function playRounds(rounds: number, planned?: ScriptedReply, delayMs = 0): void {
    playTeam(world.model, {
      files: ['a.txt'],
      answer: 'all rounds are done',
      instead: ({ phase, task, messages }) => {
        if (phase === 'planning') return planned;
        if (phase !== 'step' && phase !== 'one-shot') return undefined;
        const round = messages.filter(([role]) => role === 'tool').length + 1;
        if (round > rounds) return phase === 'step' ? report('done', `${rounds} rounds`) : undefined;
        const path = `${task.replaceAll(/\W/g, '-')}${round}.txt`;
        return { delayMs, ...call('write_file', { path, content: `round ${round}` }) };
      },
    });
  }
});

function isToolCall({ activityTaskScheduledEventAttributes: scheduled }: HistoryEvent): boolean {
  return scheduled?.activityType?.name === 'runTool';
}

function summaryOf({ userMetadata }: HistoryEvent): string {
  return userMetadata?.summary ? defaultPayloadConverter.fromPayload<string>(userMetadata.summary) : '';
}

/** Idempotency key of a tool call, without the session. */
function keyOf({ activityTaskScheduledEventAttributes: scheduled }: HistoryEvent): string {
  const [payload] = scheduled?.input?.payloads ?? [];
  assert.ok(payload);
  return defaultPayloadConverter.fromPayload<RunToolInput>(payload).key;
}

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
