/** How a message finds its way: decisions that are not usable, and questions back. Real server, real worker processes. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { DIRECT_ROUTE } from '../../helpers/replies.ts';
import { callsOf, playTeam, readCall } from '../../helpers/team-script.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const DECISION = {
  ...DIRECT_ROUTE,
  primaryAgent: 'engineer',
  refinedTask: 'the task',
  reason: 'it is one thing',
};
const ask = (...questions: string[]): ScriptedReply => ({
  json: { ...DECISION, route: 'clarify', questions, reason: 'unclear' },
});

describe('routing', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: {} });
  });
  after(() => world.stop());

  /** The router gives these, one after another; everything else is answered with `done`. */
  function route(...replies: ScriptedReply[]): void {
    const left = [...replies];
    playTeam(world.model, { instead: ({ phase }) => (phase === 'routing' ? left.shift() : undefined) });
  }

  const conversation = async (session: SessionHandle) =>
    (await session.transcript()).messages.map(({ role, text }) => [role, text]);

  for (const [what, reply, problem] of someOf(
    [
      ['no JSON', { text: 'one-shot, I would say' }, /not JSON/],
      ['JSON of another form', { json: { ...DECISION, route: 'sideways' } }, /route/],
      [
        'an agent that does not exist',
        { json: { ...DECISION, primaryAgent: 'wizard' } },
        /"wizard" is not in the team/,
      ],
      ['a question without a question', { json: { ...DECISION, route: 'clarify' } }, /clarify needs questions/],
      ['nothing', {}, /it is empty/],
    ] satisfies [string, ScriptedReply, RegExp][],
    2,
  )) {
    it(`[T02] a router that gives ${what} is told why and asked once more`, async () => {
      route(reply, { json: DECISION });
      const from = world.model.requests.length;
      const session = await world.copilot.create();
      const turn = await session.send('hello');
      assert.deepEqual(
        [turn.status, turn.route, turn.routeReason],
        ['completed', 'one-shot', 'it is one thing (repaired)'],
      );
      assert.deepEqual(callsOf(world.model).slice(from), ['routing', 'routing', 'one-shot']);
      const [, repair, answer] = world.model.requests.slice(from);
      assert.ok(repair && answer);
      assert.match(readCall(repair.body).last, problem);
      assert.match(readCall(answer.body).system, /I am the engineer/);
    });
  }

  it('[T02] if the second decision is invalid too, a heuristic decides, and the turn and its followers say so', async () => {
    for (const [text, expected] of [
      ['hello there', 'one-shot'],
      ['First read the notes, then write a report.', 'planned'],
      ['Mind. The. Gap. Please.', 'planned'],
      ['word '.repeat(51), 'planned'],
    ] as const) {
      const unusable = { json: { ...DECISION, primaryAgent: 'wizard' } };
      const left: ScriptedReply[] = [{ text: '{"route":' }, unusable];
      playTeam(world.model, {
        files: ['a.txt'],
        instead: ({ phase }) => (phase === 'routing' ? left.shift() : undefined),
      });
      const session = await world.copilot.create();
      const turn = await session.send(text);
      assert.deepEqual([turn.status, turn.route], ['completed', expected], text);
      assert.match(
        turn.routeReason ?? '',
        /invalid \(primaryAgent "wizard" is not in the team, which has .*\), so a heuristic over the message decided \(heuristic\)$/,
      );
      const events = await collect(session, isTurnEnd, 0);
      const routed = events.find(({ type }) => type === 'routed');
      assert.ok(routed?.type === 'routed');
      assert.deepEqual([routed.route, routed.agent, routed.reason], [expected, 'writer', turn.routeReason]);
    }
  });

  it('[T03] a question back ends the waiting, and the next message is its answer: the same turn goes on, once', async () => {
    route(ask('Which file?', 'Which format?'), { json: DECISION });
    const session = await world.copilot.create({ user: 'ada' });
    const asked = await session.send('convert it');
    assert.deepEqual([asked.status, asked.route], ['awaiting-input', 'clarify']);
    assert.deepEqual(asked.questions, ['Which file?', 'Which format?']);
    const waiting = await session.info();
    assert.equal(waiting.phase, 'awaiting-input');
    assert.equal(waiting.pendingApprovals[0]?.question, 'Which file?\nWhich format?');

    const from = world.model.requests.length;
    const answers = await Promise.all(
      [1, 2, 3].map(() => session.send('notes.md, as PDF', { messageId: 'the-answer' })),
    );
    for (const turn of answers)
      assert.deepEqual([turn.id, turn.status, turn.reply, turn.questions], [asked.id, 'completed', 'done', []]);
    assert.equal((await session.send('notes.md, as PDF', { messageId: 'the-answer' })).id, asked.id);
    assert.deepEqual(callsOf(world.model).slice(from), ['routing', 'one-shot']);
    for (const { body } of world.model.requests.slice(from)) {
      const { last } = readCall(body);
      assert.match(last, /^convert it\n\nYou asked:\nWhich file\?\nWhich format\?\n\nThe answer:\nnotes\.md, as PDF$/);
    }
    assert.deepEqual(await conversation(session), [
      ['user', 'convert it'],
      ['assistant', 'Which file?\nWhich format?'],
      ['user', 'notes.md, as PDF'],
      ['assistant', 'done'],
    ]);
    assert.equal((await session.info()).turns, 1);
    const next = await session.send('thanks');
    assert.deepEqual([next.number, next.status], [2, 'completed']);
  });

  itInFull('[T03] a question waits through a killed worker, and a plan can follow its answer', async () => {
    const left = [ask('Which files?')];
    playTeam(world.model, {
      files: ['a.txt'],
      answer: 'written',
      instead: ({ phase }) => (phase === 'routing' ? left.shift() : undefined),
    });
    const session = await world.copilot.create();
    const asked = await session.send('write them');
    assert.equal(asked.status, 'awaiting-input');
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
    const from = world.model.requests.length;
    const turn = await session.send('just a.txt');
    assert.deepEqual([turn.id, turn.status, turn.reply], [asked.id, 'completed', 'written']);
    assert.deepEqual(callsOf(world.model).slice(from), [
      'routing',
      'planning',
      'review',
      'step write a.txt',
      'step (tool)',
      'answer',
    ]);
    assert.deepEqual((await conversation(session)).slice(1, 3), [
      ['assistant', 'Which files?'],
      ['user', 'just a.txt'],
    ]);
  });

  it('[T03] a question that nobody answers in time fails its turn; continue asks again, and the answer stands in the conversation', async () => {
    route(ask('Which file?'), { json: DECISION });
    const session = await world.copilot.create({ config: { approvals: { inputTimeoutMs: 1_000 } } });
    const asked = await session.send('convert it');
    assert.equal(asked.status, 'awaiting-input');
    const failed = await until('expiry', async () => {
      const now = await session.awaitTurn(asked.id);
      return now.status === 'failed' ? now : undefined;
    });
    assert.equal(failed.error?.type, 'RequestExpired');
    await session.continue();
    await until('the question', async () => (await session.info()).phase === 'awaiting-input');
    const turn = await session.send('notes.md');
    assert.deepEqual([turn.id, turn.status, turn.reply], [asked.id, 'completed', 'done']);
    assert.deepEqual((await conversation(session)).slice(-2), [
      ['user', 'notes.md'],
      ['assistant', 'done'],
    ]);
  });

  itInFull('[T03] a router that asks on and on has to do with three answers', async () => {
    playTeam(world.model, {
      answer: 'my best guess',
      instead: ({ phase, last }) =>
        phase === 'routing' ? ask(`Question ${last.split('You asked').length}?`) : undefined,
    });
    const session = await world.copilot.create();
    let turn = await session.send('do it');
    const questions: string[] = [];
    for (let number = 1; turn.status === 'awaiting-input'; number++) {
      questions.push(...turn.questions);
      turn = await session.send(`answer ${number}`);
    }
    assert.deepEqual(questions, ['Question 1?', 'Question 2?', 'Question 3?']);
    assert.deepEqual(
      [turn.id, turn.status, turn.route, turn.reply],
      ['turn-1', 'completed', 'one-shot', 'my best guess'],
    );
    assert.equal(turn.routeReason, 'unclear; it was asked back 3 times already');
    assert.deepEqual(await conversation(session), [
      ['user', 'do it'],
      ...[1, 2, 3].flatMap((number) => [
        ['assistant', `Question ${number}?`],
        ['user', `answer ${number}`],
      ]),
      ['assistant', 'my best guess'],
    ]);
  });
});
