/** Work that goes on in the session's next run, in the middle of a step or an answer. Real server, real workers. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { DurableContext } from '../../../src/workflows/context/context.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { bytesOf, fullHistory, type HistoryEvent, runHistories, toolCallsIn, until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { seed, seededRandom } from '../../helpers/random.ts';
import { calling, reporting } from '../../helpers/replies.ts';
import { playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const PATIENT = {
  team: { limits: { rounds: 100, stepAttempts: 3 }, answering: { agent: 'engineer' } },
  agents: { engineer: { tools: ['read_file', 'write_file'] } },
};
const ROUNDS = 20;
const KIB = 1_024;

describe('work that moves to the next run', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: {}, patient: PATIENT });
  });
  after(() => world.stop());

  const since = (from: number): ScriptedCall[] => world.model.requests.slice(from).map(({ body }) => readCall(body));
  const keysOf = async (session: SessionHandle): Promise<string[]> =>
    toolCallsIn(await fullHistory(world.temporal, session.id)).map(({ key }) => key);

  itInFull(
    '[C16] 50 snapshots of a context of 100 KiB in which 1 KiB changes each time carry at most 300 KiB into the next run',
    async () => {
      const random = seededRandom(seed);
      const text = (): string => Array.from({ length: KIB }, () => String.fromCharCode(97 + random() * 26)).join('');
      let values = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`key ${n}`, text()]));
      const session = await world.copilot.create({ mode: 'one-shot', context: values });
      const expected: unknown[] = [];
      for (let n = 0; n < 50; n++) {
        const key = `key ${(n * 37) % 100}`;
        values = { ...values, [key]: text() };
        await session.setContext(key, values[key] ?? '');
        await session.snapshot(`change ${n}`);
        expected.push([`change ${n}`, values]);
      }
      const { runs } = await session.info();
      await world.temporal.workflow.getHandle(session.id).signal('move');
      await until('the next run', async () => (await session.info()).runs > runs);

      const all: HistoryEvent[][] = [];
      for await (const run of runHistories(world.temporal, session.id)) all.push(run);
      assert.equal(all.length, runs + 1);
      const [begun] = all.at(-1) ?? [];
      assert.ok(begun?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId);
      assert.ok(bytesOf(begun) >= 100 * KIB && bytesOf(begun) <= 300 * KIB, `${bytesOf(begun)} bytes, seed ${seed}`);
      // Nothing was dropped to stay below it.
      const carried = DurableContext.fromJSON((await session.export()).context);
      const held = carried.snapshots.map(({ id, reason }) => [reason, carried.snapshot(id).data]);
      assert.deepEqual(held, expected);
      assert.deepEqual((await session.context()).values, values);
    },
  );

  for (const mode of someOf(['planning-control', 'one-shot'] as const, 1)) {
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
        const requests = since(from).filter(({ messages }) =>
          messages.some(([, text]) => text.endsWith(name) || text.includes(`${name}\n`)),
        );
        return requests.map(({ phase, messages }) => JSON.stringify([phase, messages]).replaceAll(name, 'limit'));
      });
      assert.deepEqual(seen[0], seen[1], 'the models of both heard the same');
      assert.equal(new Set(seen[0]).size, seen[0]?.length);

      const keys = await keysOf(short.session);
      assert.equal(keys.length, ROUNDS);
      assert.equal(new Set(keys).size, ROUNDS);
      assert.deepEqual(keys, await keysOf(long.session));
    });
  }

  itInFull('steps side by side move together, also when the worker is killed then', async () => {
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
    const keys = await keysOf(session);
    assert.equal(keys.length, 24);
    assert.equal(new Set(keys).size, 24);
  });

  itInFull(
    'a step that reads more than a session can carry forgets its oldest results, and goes on in the next run',
    async () => {
      const size = 24_000;
      playTeam(world.model, {
        files: ['a.txt'],
        instead: ({ phase, messages }) => {
          if (phase !== 'step') return undefined;
          const round = messages.filter(([role]) => role === 'assistant').length;
          if (round === 0) return calling(['write_file', { path: 'big.txt', content: 'b'.repeat(size) }]);
          if (round > 20) return reporting('done', 'all read');
          // In another way each time: an agent that makes the same calls again and again is stopped.
          const read = { name: 'read_file', arguments: { path: 'big.txt', limit_lines: round } };
          return { toolCalls: Array.from({ length: 5 }, () => read) };
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
      assert.equal(toolCallsIn(history).length, 101);
      const starts = history.flatMap(({ workflowExecutionStartedEventAttributes: started }) =>
        started ? [started.input?.payloads?.[0]?.data?.length ?? 0] : [],
      );
      assert.ok(starts.length > 3, `${starts.length} runs`);
      for (const bytes of starts) assert.ok(bytes < 512 * 1024, `a run was started with ${bytes} bytes`);
      const last = since(from)
        .filter(({ phase }) => phase === 'step')
        .at(-1);
      const results = (last?.messages ?? []).filter(([role]) => role === 'tool').map(([, text]) => text);
      assert.equal(results.length, 101);
      assert.match(results[1] ?? '', /^\[Left out, since there was too much to read\./);
      for (const text of results.slice(-5)) assert.ok(text.length >= size, 'the newest results are whole');
    },
  );

  itInFull('the results of a round with very many calls are cut for the model, and the turn ends', async () => {
    playTeam(world.model, {
      instead: ({ lastRole, messages }) =>
        lastRole === 'user'
          ? calling(['write_file', { path: 'big.txt', content: 'b'.repeat(24_000) }])
          : messages.length === 3
            ? { toolCalls: Array.from({ length: 100 }, () => ({ name: 'read_file', arguments: { path: 'big.txt' } })) }
            : undefined,
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'patient', mode: 'one-shot' });
    assert.equal((await session.send('read it a hundred times')).status, 'completed');
    const results =
      since(from)
        .at(-1)
        ?.messages.slice(4)
        .map(([, text]) => text) ?? [];
    assert.equal(results.length, 100);
    for (const text of results) assert.match(text, /b{500,700}\n\n\[Cut after \d+ characters\.\]$/);
  });

  itInFull(
    'steps side by side whose briefs are more than a session can carry end in the run where they began',
    async () => {
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
      const steps = names.map((name) => ({
        agent: 'engineer',
        task: `write part ${name}`,
        notes: '',
        alongside: true,
      }));
      playRounds(4, { json: { steps } });
      const session = await world.copilot.create({
        team: 'patient',
        mode: 'planning-control',
        config: { historyLimit: 40 },
      });
      const turn = await session.send(`a long task: ${'t'.repeat(250 * 1024)}`);
      assert.equal(turn.status, 'completed');
      assert.deepEqual(
        turn.steps.map(({ status, attempts, summary }) => [status, attempts, summary]),
        names.map(() => ['completed', 1, '4 rounds']),
      );
      const next = await session.send('and a short one');
      assert.deepEqual([next.status, next.number], ['completed', 2]);
      assert.ok((await session.info()).runs > 1, 'it moves when it can again');
    },
  );

  itInFull('a direct answer that begins anew after a failure gives its calls new keys', async () => {
    let isRefused = true;
    playTeam(world.model, {
      instead: ({ lastRole }) =>
        lastRole === 'user'
          ? calling(['write_file', { path: isRefused ? 'first.txt' : 'second.txt', content: 'x' }])
          : isRefused
            ? { status: 401, error: { message: 'no such key' } }
            : undefined,
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const failed = await session.send('write a file');
    assert.deepEqual([failed.status, failed.error?.type], ['failed', 'ModelRejected']);
    isRefused = false;
    await session.continue();
    const turn = await session.awaitTurn(failed.id);
    assert.deepEqual([turn.status, turn.artifacts], ['completed', ['first.txt', 'second.txt']]);
    const keys = await keysOf(session);
    assert.deepEqual([keys.length, new Set(keys).size], [2, 2]);
  });

  it('a step that is too long for its model forgets what it has read before, once, and goes on', async () => {
    let refused = 0;
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, messages }) => {
        if (phase !== 'step') return undefined;
        const results = messages.filter(([role]) => role === 'tool').map(([, text]) => text);
        if (results.length === 0) return calling(['write_file', { path: 'a.txt', content: 'c'.repeat(200) }]);
        if (results.length < 4) return calling(['read_file', { path: 'a.txt', limit_lines: results.length }]);
        if (results.slice(1, 3).every((text) => text.startsWith('[Left out'))) return reporting('done', 'it fits');
        refused += 1;
        return { status: 400, error: { code: 'context_length_exceeded', message: 'too long' } };
      },
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write');
    assert.deepEqual([turn.status, turn.steps[0]?.summary, refused], ['completed', 'it fits', 1]);
    assert.equal(turn.usage.toolCalls, 4);
  });

  /** Each step and direct answer writes a file in each of so many rounds, then ends. */
  function playRounds(rounds: number, planned?: ScriptedReply, delayMs = 0): void {
    playTeam(world.model, {
      files: ['a.txt'],
      answer: 'all rounds are done',
      instead: ({ phase, task, messages }) => {
        if (phase === 'planning') return planned;
        if (phase !== 'step' && phase !== 'one-shot') return undefined;
        const round = messages.filter(([role]) => role === 'tool').length + 1;
        if (round > rounds) return phase === 'step' ? reporting('done', `${rounds} rounds`) : undefined;
        const path = `${task.replaceAll(/\W/g, '-')}${round}.txt`;
        return { delayMs, ...calling(['write_file', { path, content: `round ${round}` }]) };
      },
    });
  }
});
