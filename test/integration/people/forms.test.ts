/** MCP servers that ask people: real server, real workers, the reference server, and every way to answer. */
import assert from 'node:assert/strict';
import type { PendingRequest, SessionHandle } from '../../../src/client.ts';
import { startCli, runCli } from '../../helpers/cli.ts';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { stdioServer } from '../../helpers/mcp.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { playToolCalls } from '../../helpers/tool-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import type { World } from '../../helpers/world.ts';

const TOOL = 'trigger-elicitation-request';

describe('forms of MCP servers', function () {
  this.timeout(240_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorldOf({
      default: {
        team: {
          answering: { agent: 'engineer' },
          // Far shorter than people think.
          mcp: {
            once: stdioServer('everything', { timeoutMs: 5_000 }),
            freely: stdioServer('everything', { effects: 'none' }),
          },
        },
        agents: { engineer: { tools: ['once.*', 'freely.*'] } },
      },
    });
    env = programEnvironment(world.server);
    playToolCalls(world.model);
  });
  after(() => world?.stop());

  async function ask(
    server: 'once' | 'freely',
    config = {},
  ): Promise<{ session: SessionHandle; request: PendingRequest }> {
    const session = await world.copilot.create({ mode: 'one-shot', ...config });
    await session.send(`use ${server}.${TOOL} with {}`, { wait: false });
    return { session, request: await nextRequest(session, 60_000) };
  }

  it('[E12] are requests of the inbox, shown whole, checked by the form, and answered by the library', async () => {
    const { session, request } = await ask('once');
    assert.equal(request.kind, 'form');
    assert.deepEqual(request.options, ['accept', 'decline', 'cancel']);
    assert.equal(request.question, `once.${TOOL} asks: Please provide inputs for the following fields:`);
    assert.equal(request.form?.fields.length, 13);
    assert.deepEqual([request.isCut, request.agent], [false, 'engineer']);
    const { requests } = await world.copilot.inbox({ kind: 'form' });
    assert.ok(requests.some(({ sessionId }) => sessionId === session.id));
    const refused = (values: object, message: RegExp) =>
      assert.rejects(session.decide(request.id, 'accept', { values: values as never }), {
        type: 'InvalidInput',
        message,
      });
    await refused({}, /the field "name" is missing/);
    await refused({ name: 'Ada', email: 'nobody' }, /the field "email" takes an e-mail address/);
    await refused({ name: 'Ada', integer: 500 }, /the field "integer" takes 100 or less/);
    await refused({ name: 'Ada', color: 'red' }, /the form has no field "color"/);
    await assert.rejects(session.decide(request.id, 'once'), { type: 'InvalidInput' });
    // Longer than the time of the call, which stands still.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    const decided = await session.decide(request.id, 'accept', {
      values: { name: 'Ada', check: true, untitledMultipleSelectEnum: ['Violin', 'Bass'] },
      digest: request.digest,
      by: 'ada',
    });
    assert.deepEqual([decided.verdict.by, decided.verdict.values?.['integer']], ['ada', 42]);
    const { reply } = await session.awaitTurn('turn-1');
    assert.match(reply, /User provided the requested information[^]*- Name: Ada[^]*- Agreed to terms: true/);
    await assert.rejects(session.decide(request.id, 'decline'), { type: 'AlreadyDecided' });
    assert.deepEqual(await session.requests(), []);
  });

  it('[E12] are shown and filled by the command line, as text and as JSON, declined, and cancelled', async () => {
    const first = await ask('once');
    const shown = await runCli(['show', first.session.id, '--request', first.request.id], env);
    assert.match(shown.stdout, /name \(text, required\): String\. Your full, legal name/);
    assert.match(shown.stdout, /legacyTitledEnum \(one of, optional, default pet-1\)[^]*- pet-1: Cats/);
    assert.match(shown.stdout, /copilot answer \S+ req-1 --field name=value …/);
    const wrong = await runCli(['answer', first.session.id, '--field', 'integer=7'], env);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /the field "name" is missing/);
    const fields = [
      '--field',
      'name=Ada Lovelace',
      '--field',
      'check=yes',
      '--field',
      'untitledMultipleSelectEnum=Guitar, Piano',
    ];
    const filled = await runCli(['answer', first.session.id, first.request.id, ...fields, '--wait'], env);
    assert.equal(filled.code, 0, filled.stderr);
    assert.match(filled.stdout, /- Name: Ada Lovelace/);

    const second = await ask('once');
    const values = JSON.stringify({ name: 'Bob', number: 2.5 });
    const json = await runCli(['answer', second.session.id, '--values', values, '--json', '--by', 'bob'], env);
    const { request } = JSON.parse(json.stdout) as { request: { verdict: { by: string; values: object } } };
    assert.equal(request.verdict.by, 'bob');
    assert.match((await second.session.awaitTurn('turn-1')).reply, /- Name: Bob/);

    const third = await ask('once');
    assert.equal((await runCli(['deny', third.session.id], env)).code, 0);
    assert.match((await third.session.awaitTurn('turn-1')).reply, /declined to provide/);
    const fourth = await ask('once');
    assert.equal((await runCli(['decide', fourth.session.id, fourth.request.id, 'cancel'], env)).code, 0);
    assert.match((await fourth.session.awaitTurn('turn-1')).reply, /cancelled the elicitation/);
  });

  itInFull('[E12] are filled in a chat', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const chat = startCli(['chat', session.id], env);
    chat.process.stdin.write(`use once.${TOOL} with {}\n`);
    await chat.untilStdout(/req-1: once\.trigger-elicitation-request asks/, 60_000);
    chat.process.stdin.write('accept name="Ada L" check=yes\n');
    await chat.untilStdout(/- Name: Ada L/, 60_000);
    chat.process.stdin.end('exit\n');
    await chat.ended;
  });

  it('[E12] expire as cancelled, and end with the turn', async () => {
    const { session } = await ask('once', { config: { approvals: { inputTimeoutMs: 1_500 } } });
    const ended = await until('the end of the turn', async () => {
      const turn = await session.awaitTurn('turn-1');
      return turn.status === 'completed' ? turn : undefined;
    });
    assert.match(ended.reply, /cancelled the elicitation/);
    const [expired] = await session.decisions();
    assert.deepEqual([expired?.verdict.decision, expired?.verdict.by], ['expired', 'the clock']);

    const stopped = await ask('once');
    await stopped.session.interrupt();
    assert.equal((await stopped.session.awaitTurn('turn-1')).status, 'interrupted');
    assert.deepEqual(await stopped.session.requests(), []);
    await assert.rejects(stopped.session.decide(stopped.request.id, 'accept', { values: { name: 'Ada' } }), {
      type: 'AlreadyDecided',
    });
    // The next call of this server asks the right person again.
    const next = await ask('once');
    await next.session.decide(next.request.id, 'decline');
    assert.match((await next.session.awaitTurn('turn-1')).reply, /declined to provide/);
  });

  itInFull('[E12] of two sessions each asks its own person', async () => {
    const both = await Promise.all([ask('once'), ask('once')]);
    for (const [index, { session, request }] of both.entries())
      await session.decide(request.id, 'accept', { values: { name: `Person ${index}` } });
    for (const [index, { session }] of both.entries())
      assert.match((await session.awaitTurn('turn-1')).reply, new RegExp(`- Name: Person ${index}\\n`));
  });

  itInFull(
    '[E12] wait over the death of a worker: a harmless call is made again and its request stays, any other is unknown',
    async () => {
      const harmless = await ask('freely');
      const external = await ask('once');
      await Promise.all(world.workers.map((worker) => worker.kill()));
      await world.startWorker();
      const outcome = await until(
        'the question about the outcome',
        async () => (await external.session.requests()).find(({ kind }) => kind === 'outcome'),
        60_000,
      );
      assert.match(outcome.question, /its worker stopped while it ran, before anybody had answered what it asked\.$/);
      const [withdrawn] = await external.session.decisions();
      assert.deepEqual([withdrawn?.id, withdrawn?.verdict.decision], [external.request.id, 'withdrawn']);
      await external.session.decide(outcome.id, 'not-done');
      assert.equal((await external.session.awaitTurn('turn-1')).status, 'completed');

      const same = await nextRequest(harmless.session);
      assert.equal(same.id, harmless.request.id);
      await harmless.session.decide(same.id, 'accept', { values: { name: 'Ada' } });
      assert.match((await harmless.session.awaitTurn('turn-1')).reply, /- Name: Ada/);
      const events = await collect(harmless.session, isTurnEnd, 0);
      assert.equal(events.filter(({ type }) => type === 'request').length, 1);
    },
  );
});
