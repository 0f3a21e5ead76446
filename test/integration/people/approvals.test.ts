/** What waits for a person, and what their word does. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PendingRequest, SessionConfig, SessionHandle, TurnView } from '../../../src/client.ts';
import { fails } from '../../helpers/client.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { callsOf, playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import { itInFull } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const TOOLS = ['read_file', 'write_file', 'run_code', 'ask_user'];
const print = (text: string): [string, object] => ['run_code', { language: 'node', code: `console.log('${text}')` }];

describe('approvals', function () {
  this.timeout(240_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: { agents: { engineer: { tools: TOOLS }, writer: { tools: TOOLS } } } });
  });
  after(() => world.stop());

  async function start(config: SessionConfig, mode = 'planning-control'): Promise<[SessionHandle, TurnView]> {
    const session = await world.copilot.create({ mode, config });
    return [session, await session.send('do it')];
  }

  /** What the model was asked since then. */
  const callsSince = (from: number): ScriptedCall[] =>
    world.model.requests.slice(from).map(({ body }) => readCall(body));

  const statuses = async (session: SessionHandle) => (await session.plan())?.steps.map(({ status }) => status);
  const exists = (session: SessionHandle, file: string): boolean =>
    existsSync(join(world.server.homeDir, 'workspaces', session.id, file));

  describe('[H01] of a plan', () => {
    const approvals = { plan: true };

    it('approved: its steps run', async () => {
      playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'both written' });
      const [session, turn] = await start({ approvals });
      assert.deepEqual([turn.status, turn.requests?.map(({ kind }) => kind)], ['awaiting-approval', ['plan']]);
      const [request] = turn.requests ?? [];
      assert.ok(request);
      assert.deepEqual(request.options, ['approve', 'modify', 'reject']);
      assert.match(request.question, /plan of 2 steps/);
      assert.equal(Date.parse(request.expiresAt) - Date.parse(request.createdAt), 30 * 60_000);
      assert.deepEqual(await session.requests(), [request]);
      assert.deepEqual(await statuses(session), ['pending', 'pending']);
      const { verdict, ...asked } = await session.decide(request.id, 'approve', { by: 'ada', text: 'go' });
      assert.deepEqual(asked, request);
      const { decision, by, text } = verdict;
      assert.deepEqual([decision, by, text], ['approve', 'ada', 'go']);
      const ended = await session.awaitTurn(turn.id);
      assert.deepEqual([ended.status, ended.reply], ['completed', 'both written']);
      assert.deepEqual(await statuses(session), ['completed', 'completed']);
    });

    it('modified: the planner is told what to change, three times at most', async () => {
      const plans = ['zero', 'one', 'two', 'three'].map((name) => ({
        json: { steps: [{ agent: 'engineer', task: `write ${name}.txt`, notes: '' }] },
      }));
      playTeam(world.model, { instead: ({ phase }) => (phase === 'planning' ? plans.shift() : undefined) });
      const from = world.model.requests.length;
      const [session, { id }] = await start({ approvals });
      const task = async () => (await session.plan())?.steps.map((step) => step.task);
      assert.deepEqual(await task(), ['write zero.txt']);
      const { id: first } = await nextRequest(session);
      await fails(session.decide(first, 'modify'), 'InvalidInput', /"modify".*needs a text/);
      for (const [index, name] of ['one', 'two', 'three'].entries()) {
        await decideNext(session, 'modify', { text: `make it ${name}` });
        assert.equal((await session.awaitTurn(id)).status, 'awaiting-approval');
        assert.deepEqual(await task(), [`write ${name}.txt`]);
        const planning = callsSince(from).filter(({ phase }) => phase === 'planning');
        assert.equal(planning.length, index + 2);
        assert.match(planning.at(-1)?.last ?? '', new RegExp(`make it ${name}`));
      }
      const last = await nextRequest(session);
      assert.deepEqual(last.options, ['approve', 'reject']);
      await fails(session.decide(last.id, 'modify', { text: 'again' }), 'InvalidInput', /Choose approve or reject/);
      await session.decide(last.id, 'approve', { by: 'ada' });
      assert.equal((await session.awaitTurn(id)).status, 'completed');
      assert.deepEqual(
        callsSince(from).flatMap(({ phase, task: step }) => (phase === 'step' ? [step] : [])),
        ['write three.txt', 'write three.txt'],
      );
    });

    it('rejected: the turn says who and why, nothing of it runs, and the next message is a new turn', async () => {
      playTeam(world.model, { files: ['never.txt'] });
      const from = world.model.requests.length;
      const [session, { id }] = await start({ approvals });
      await decideNext(session, 'reject', { text: 'too dear' });
      const turn = await session.awaitTurn(id);
      assert.deepEqual([turn.status, turn.error?.type], ['failed', 'Rejected']);
      assert.match(turn.error?.message ?? '', /^ada did not approve the plan: too dear\./);
      assert.deepEqual(
        [callsSince(from).filter(({ phase }) => phase === 'step').length, exists(session, 'never.txt')],
        [0, false],
      );
      assert.deepEqual(await session.continue(), { changed: false, status: 'active' });
      await session.send('something else');
      assert.equal((await nextRequest(session)).turn, 2);
    });
  });

  it('[H02] a step waits before it begins, to be run or skipped, and after it, to be accepted or done again twice at most', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt', 'c.txt'] });
    const from = world.model.requests.length;
    const [session, { id }] = await start({ approvals: { beforeStep: true, afterStep: true } });
    const facts = ({ kind, step, agent, options }: PendingRequest) => ({ kind, step, agent, options });
    const before = (step: number) => ({ kind: 'before-step', step, agent: 'engineer', options: ['approve', 'skip'] });
    const after = (step: number, options = ['continue', 'redo']) => ({
      kind: 'after-step',
      step,
      agent: 'engineer',
      options,
    });
    const briefs = () =>
      callsSince(from).flatMap(({ phase, last, lastRole }) => (phase === 'step' && lastRole === 'user' ? [last] : []));

    assert.deepEqual(facts(await nextRequest(session)), before(1));
    assert.deepEqual(briefs(), [], 'a step began before it was approved');
    await decideNext(session, 'approve');
    await session.awaitTurn(id);
    const review = await nextRequest(session);
    assert.deepEqual(facts(review), after(1));
    assert.match(review.question, /a\.txt/);
    await fails(session.decide(review.id, 'redo'), 'InvalidInput', /"redo".*needs a text/);
    for (const [round, text] of ['in French', 'in German'].entries()) {
      await decideNext(session, 'redo', { text });
      await session.awaitTurn(id);
      assert.match(briefs().at(-1) ?? '', new RegExp(`What the person wants done differently\n${text}`));
      assert.deepEqual(facts(await nextRequest(session)), after(1, round === 0 ? ['continue', 'redo'] : ['continue']));
    }
    assert.equal(briefs().length, 3);
    await decideNext(session, 'continue');
    await session.awaitTurn(id);
    assert.deepEqual(facts(await nextRequest(session)), before(2));
    await decideNext(session, 'skip');
    await session.awaitTurn(id);
    assert.deepEqual(facts(await nextRequest(session)), before(3), 'a skipped step has no result to accept');
    await decideNext(session, 'approve');
    await session.awaitTurn(id);
    assert.deepEqual(facts(await nextRequest(session)), after(3));
    await decideNext(session, 'continue');
    assert.equal((await session.awaitTurn(id)).status, 'completed');
    assert.deepEqual(await statuses(session), ['completed', 'skipped', 'completed']);
    assert.deepEqual(
      ['a.txt', 'b.txt', 'c.txt'].map((file) => exists(session, file)),
      [true, false, true],
    );
  });

  describe('[H03] of tools', () => {
    /** The model calls these, one round after another, and then answers. */
    function playCalls(...rounds: (readonly [string, object])[][]): void {
      const left = [...rounds];
      playTeam(world.model, {
        instead: ({ phase }) => {
          const round = phase === 'one-shot' ? left.shift() : undefined;
          return round && calling(...round);
        },
      });
    }
    /** What the model was told about its calls since then, one text each. */
    const told = (from: number): string[] =>
      (callsSince(from).at(-1)?.messages ?? []).flatMap(([role, text]) => (role === 'tool' ? [text] : []));

    it('allowed once, each call asks again; who and when are recorded', async () => {
      playCalls([print('first')], [print('second')]);
      const from = world.model.requests.length;
      const [session, turn] = await start({}, 'one-shot');
      const [request] = turn.requests ?? [];
      assert.ok(request?.tool);
      assert.deepEqual([request.kind, request.options, request.agent], ['tool', ['once', 'session', 'deny'], 'writer']);
      assert.deepEqual([request.tool.name, request.tool.category], ['run_code', 'code']);
      assert.deepEqual(JSON.parse(request.tool.arguments), print('first')[1]);
      const since = new Date().toISOString();
      await session.decide(request.id, 'once', { by: 'ada' });
      await session.awaitTurn(turn.id);
      const second = await nextRequest(session);
      assert.match(second.question, /second/);
      await session.decide(second.id, 'once', { by: 'bob', text: 'for the last time' });
      assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
      const outputs = told(from);
      assert.equal(outputs.length, 2);
      assert.match(outputs[0] ?? '', /first/);
      assert.match(outputs[1] ?? '', /second/);
      const records = await session.decisions();
      assert.deepEqual(
        records.map(({ id, verdict: { decision, by, text } }) => [id, decision, by, text]),
        [
          [request.id, 'once', 'ada', undefined],
          [second.id, 'once', 'bob', 'for the last time'],
        ],
      );
      const times = records.map(({ verdict }) => verdict.at);
      assert.ok(
        times.every((at) => at >= since && at <= new Date().toISOString()),
        times.join(' '),
      );
    });

    it('allowed for the session, its category asks no more, in this turn and the next; others do', async () => {
      playCalls([print('one'), print('two')], [print('three')], [['write_file', { path: 'x.txt', content: 'x' }]]);
      const [session, turn] = await start({ approvals: { tools: { write: 'ask' } } }, 'one-shot');
      const [first, second] = turn.requests ?? [];
      assert.ok(first && second);
      await session.decide(first.id, 'session', { by: 'ada' });
      // The other call of its round was asked about already: the grant is for it, too.
      await fails(session.decide(second.id, 'deny'), 'AlreadyDecided', /session, by ada/);
      await session.awaitTurn(turn.id);
      const other = await nextRequest(session);
      assert.deepEqual([other.tool?.name, other.tool?.category], ['write_file', 'write']);
      assert.equal(exists(session, 'x.txt'), false);
      await session.decide(other.id, 'once');
      assert.equal((await session.awaitTurn(turn.id)).usage.toolCalls, 4);
      assert.equal(exists(session, 'x.txt'), true);
      playCalls([print('four')], [['write_file', { path: 'y.txt', content: 'y' }]]);
      const next = await session.send('and again');
      assert.deepEqual(
        next.requests?.map(({ tool }) => tool?.name),
        ['write_file'],
      );
      assert.equal(next.usage.toolCalls, 1);
    });

    it('denied, it does not run, and the agent is told by whom and why', async () => {
      playCalls([print('never')]);
      const from = world.model.requests.length;
      const [session, turn] = await start({}, 'one-shot');
      await decideNext(session, 'deny', { text: 'not on this machine' });
      const ended = await session.awaitTurn(turn.id);
      assert.deepEqual([ended.status, ended.usage.toolCalls], ['completed', 0]);
      const [text, ...others] = told(from);
      assert.match(text ?? '', /^ada does not allow this call: not on this machine\./);
      assert.deepEqual(others, []);
    });

    it('by category: asks, allows or denies what the session says; allowCode stands above', async () => {
      const offered = async (config: SessionConfig): Promise<[string, boolean]> => {
        playCalls([print('x')]);
        const from = world.model.requests.length;
        const [, turn] = await start(config, 'one-shot');
        return [turn.status, callsSince(from)[0]?.tools.includes('run_code') ?? false];
      };
      assert.deepEqual(await offered({}), ['awaiting-approval', true]);
      assert.deepEqual(await offered({ approvals: { tools: { code: 'allow' } } }), ['completed', true]);
      assert.deepEqual(await offered({ approvals: { tools: { code: 'deny' } } }), ['completed', false]);
      assert.deepEqual(await offered({ allowCode: true, approvals: { tools: { code: 'deny' } } }), ['completed', true]);
      assert.deepEqual(await offered({ allowCode: false, approvals: { tools: { code: 'allow' } } }), [
        'completed',
        false,
      ]);
    });
  });

  describe('[H04] that nobody decides in time', () => {
    const TIMEOUT_MS = 1_000;
    const soon = { timeoutMs: TIMEOUT_MS, inputTimeoutMs: TIMEOUT_MS };

    /** The outcome that was stated with the request, after its time is up. */
    async function expired(session: SessionHandle, turn: TurnView): Promise<PendingRequest> {
      const [request] = turn.requests ?? [];
      assert.ok(request);
      assert.equal(Date.parse(request.expiresAt) - Date.parse(request.createdAt), TIMEOUT_MS);
      const { verdict } = await until('a decision', async () =>
        (await session.decisions()).find(({ id }) => id === request.id),
      );
      assert.deepEqual([verdict.decision, verdict.by], ['expired', 'the clock']);
      const lateMs = Date.parse(verdict.at) - Date.parse(request.expiresAt);
      assert.ok(lateMs >= 0 && lateMs < 10_000, `${lateMs} ms late`);
      await fails(
        session.decide(request.id, request.options[0] ?? 'approve', { text: 'late' }),
        'AlreadyDecided',
        new RegExp(`^Request ${request.id} was decided already: expired, by the clock at 20`),
      );
      return request;
    }

    for (const [kind, approvals] of [
      ['plan', { plan: true }],
      ['before-step', { beforeStep: true }],
    ] as const)
      it(`${kind}: the turn fails with its plan kept, and continue asks again`, async () => {
        playTeam(world.model, { files: ['a.txt'] });
        const [session, turn] = await start({ approvals: { ...approvals, ...soon } });
        const request = await expired(session, turn);
        assert.deepEqual(request.onExpiry.outcome, 'fail');
        assert.match(request.onExpiry.words, /the turn fails with its plan kept; `continue` asks again/);
        const failed = await session.awaitTurn(turn.id);
        assert.deepEqual([failed.status, failed.error?.type, failed.steps.length], ['failed', 'RequestExpired', 1]);
        await session.configure({ approvals });
        await session.continue();
        const again = await nextRequest(session);
        assert.deepEqual([again.kind, again.turnId], [kind, turn.id]);
        await session.decide(again.id, 'approve');
        assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
      });

    itInFull('after-step: the turn goes on', async () => {
      playTeam(world.model, { files: ['a.txt'] });
      const [session, turn] = await start({ approvals: { afterStep: true, ...soon } });
      assert.deepEqual((await expired(session, turn)).onExpiry, { outcome: 'continue', words: 'the turn goes on' });
      assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
    });

    it('tool and question: the agent is told, and goes on without', async () => {
      const rounds = [calling(print('never'), ['ask_user', { question: 'Which colour?' }]), done('assumed blue')];
      playTeam(world.model, {
        files: ['a.txt'],
        instead: ({ phase }) => (phase === 'step' ? rounds.shift() : undefined),
      });
      const from = world.model.requests.length;
      const [session, turn] = await start({ approvals: soon });
      assert.deepEqual(
        turn.requests?.map(({ kind, onExpiry }) => [kind, onExpiry]),
        [
          ['tool', { outcome: 'deny', words: 'the agent is told that it may not' }],
          ['input', { outcome: 'deny', words: 'the agent is told that nobody answered' }],
        ],
      );
      await expired(session, turn);
      // Two clocks: while one request has expired, the turn may still wait for the other.
      const ended = await until('the end of the turn', async () => {
        const view = await session.awaitTurn(turn.id);
        return view.status !== 'awaiting-input' && view;
      });
      assert.deepEqual(
        [ended.status, ended.usage.toolCalls, ended.steps[0]?.summary],
        ['completed', 0, 'assumed blue'],
      );
      const told = callsSince(from)
        .find(({ last }) => last.startsWith('Nobody answered'))
        ?.messages.slice(-2);
      assert.match(told?.[0]?.[1] ?? '', /^the clock does not allow this call\./);
      assert.match(told?.[1]?.[1] ?? '', /^Nobody answered in time\./);
    });

    itInFull('budget: the turn fails, and continue asks again', async () => {
      playTeam(world.model, { files: ['a.txt'] });
      const [session, turn] = await start({ budget: { rounds: 2 }, approvals: soon });
      assert.equal((await expired(session, turn)).onExpiry.outcome, 'fail');
      assert.equal((await session.awaitTurn(turn.id)).error?.type, 'RequestExpired');
      await session.configure({ approvals: null });
      await session.continue();
      assert.equal((await nextRequest(session)).kind, 'budget');
    });

    it('a second decision is refused by naming the first', async () => {
      playTeam(world.model, { files: ['a.txt'] });
      const [session] = await start({ approvals: { plan: true } });
      const { id, verdict } = await decideNext(session, 'reject', { by: 'ada' });
      const error = await fails(
        session.decide(id, 'approve', { by: 'bob' }),
        'AlreadyDecided',
        new RegExp(`^Request ${id} was decided already: reject, by ada at ${verdict.at}`),
      );
      assert.deepEqual([error.details['decision'], error.details['by'], error.exitCode], ['reject', 'ada', 4]);
      await fails(session.decide('req-77', 'approve'), 'RequestNotFound', /no request req-77.*wait: none/);
    });
  });

  itInFull('hitl-interactive asks about plan, step and result', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const from = world.model.requests.length;
    const [session, { id }] = await start({}, 'hitl-interactive');
    const kinds: string[] = [];
    for (const decision of ['approve', 'approve', 'continue'] as const) {
      kinds.push((await decideNext(session, decision)).kind);
      await session.awaitTurn(id);
    }
    assert.deepEqual(kinds, ['plan', 'before-step', 'after-step']);
    assert.deepEqual(callsOf(world.model).slice(from).at(-1), 'answer');
  });
});
