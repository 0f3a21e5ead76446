/** What a turn may use before it asks. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Budget, PendingRequest, SessionHandle, TurnView } from '../../../src/client.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { decideNext, nextRequest } from '../../helpers/requests.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { itInFull } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

/** US dollars for a million tokens: one token of each kind costs a dollar. */
const PRICES = { scripted: { input: 1_000_000, output: 1_000_000 } };
const CALLS = 6;
/** About 400 tokens with each call. */
const TALK = 'word '.repeat(400);

describe('[H06] budgets', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({
      default: { team: { prices: PRICES, modes: { thrifty: { route: 'one-shot', budget: { toolCalls: 2 } } } } },
      modest: { team: { budget: { rounds: 3 } } },
    });
  });
  after(() => world.stop());

  /** The writer writes six files, one a round, and then answers. */
  function play(delayMs = 0): void {
    playTeam(world.model, {
      answer: 'all written',
      instead: ({ phase, messages }) => {
        const written = messages.filter(([role]) => role === 'tool').length % CALLS;
        const isDone = messages.at(-1)?.[0] === 'tool' && written === 0;
        if (phase !== 'one-shot' || isDone) return undefined;
        return { ...calling(['write_file', { path: `${written}.txt`, content: 'x' }]), text: TALK, delayMs };
      },
    });
  }

  async function start(
    budget: Budget,
    settings: { mode?: string; team?: string } = {},
  ): Promise<[SessionHandle, TurnView]> {
    const session = await world.copilot.create({ mode: 'one-shot', ...settings, config: { budget } });
    return [session, await session.send('write six files')];
  }

  /** What the request says was used, and of how much. */
  function figures({ question }: PendingRequest, words: string): [used: number, limit: number] {
    const found = new RegExp(
      `^The turn has used ([0-9.]+) of ([0-9.]+) ${words}\\. Raise the budget, or stop\\?$`,
    ).exec(question);
    assert.ok(found, question);
    return [Number(found[1]), Number(found[2])];
  }

  /** The turn pauses at the budget, goes on when it is raised, and pauses again where that is used up, too. */
  async function pausesAndGoesOn(
    budget: Budget,
    {
      words,
      raised,
      isReached,
    }: { words: string; raised: number; isReached: (turn: TurnView, limit: number) => boolean },
  ): Promise<void> {
    const [session, turn] = await start(budget);
    const [limit = 0] = Object.values(budget);
    assert.equal(turn.status, 'awaiting-approval');
    const first = await nextRequest(session);
    assert.deepEqual([first.kind, first.options, first.onExpiry.outcome], ['budget', ['raise', 'stop'], 'fail']);
    const [used, said] = figures(first, words);
    assert.equal(said, limit);
    assert.ok(used >= limit, first.question);
    assert.ok(isReached(turn, limit), JSON.stringify(turn));
    const calls = world.model.requests.length;
    await sleep(500);
    assert.equal(world.model.requests.length, calls, 'the model was called while the turn waited');
    await session.decide(first.id, 'raise', { by: 'ada', limit: raised });
    const again = await session.awaitTurn(turn.id);
    assert.equal(again.status, 'awaiting-approval');
    assert.ok(isReached(again, raised), JSON.stringify(again));
    assert.equal(figures(await nextRequest(session), words)[1], raised);
    // Twice the limit, and so on, where nobody names one.
    for (let turnNow = again; turnNow.status === 'awaiting-approval'; turnNow = await session.awaitTurn(turn.id))
      await decideNext(session, 'raise');
    const ended = await session.awaitTurn(turn.id);
    assert.deepEqual([ended.status, ended.reply, ended.artifacts.length], ['completed', 'all written', CALLS]);
  }

  const tokens = ({ usage }: TurnView): number => usage.inputTokens + usage.outputTokens;

  it('tokens: a turn pauses at 1,000, is raised, and goes on', async () => {
    play();
    await pausesAndGoesOn(
      { tokens: 1_000 },
      { words: 'tokens', raised: 2_500, isReached: (turn, limit) => tokens(turn) >= limit },
    );
  });

  itInFull('cost, by the prices of the team', async () => {
    play();
    await pausesAndGoesOn(
      { cost: 1_000 },
      {
        words: 'US dollars',
        raised: 2_500,
        isReached: (turn, limit) => turn.cost === tokens(turn) && turn.cost >= limit,
      },
    );
  });

  it('tool calls', async () => {
    play();
    await pausesAndGoesOn(
      { toolCalls: 2 },
      { words: 'tool calls', raised: 4, isReached: ({ usage }, limit) => usage.toolCalls === limit },
    );
  });

  itInFull('rounds: calls of the model', async () => {
    play();
    await pausesAndGoesOn(
      { rounds: 2 },
      { words: 'model calls', raised: 4, isReached: ({ usage }, limit) => usage.modelCalls === limit },
    );
  });

  it('wall time, of which waiting for people and being suspended are no part', async () => {
    const WAITED_MS = 3_000;
    play(400);
    const startedAt = Date.now();
    const [session, turn] = await start({ wallTimeMs: 1_000 });
    const request = await nextRequest(session);
    const [used] = figures(request, 'milliseconds');
    const passedMs = Date.now() - startedAt;
    assert.ok(used >= 1_000 && used <= passedMs, `${request.question} after ${passedMs} ms`);
    const done = turn.usage.modelCalls;
    assert.ok(done >= 1 && done <= 3, `${done} calls of 400 ms in a second`);
    await sleep(WAITED_MS);
    await session.decide(request.id, 'raise', { limit: used + 1_000 });
    await session.suspend();
    await sleep(WAITED_MS);
    await session.continue();
    const again = await session.awaitTurn(turn.id);
    assert.equal(again.status, 'awaiting-approval');
    const second = await nextRequest(session);
    const [usedNow] = figures(second, 'milliseconds');
    const atMostMs = Date.now() - startedAt - 2 * WAITED_MS;
    assert.ok(usedNow >= used + 1_000 && usedNow <= atMostMs, `${second.question}, and ${atMostMs} ms at most`);
    await session.decide(second.id, 'raise', { limit: 60_000 });
    assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
  });

  it('stopped at its budget, the turn fails, and continue asks again whether to raise it', async () => {
    play();
    const [session, turn] = await start({ toolCalls: 2 });
    await decideNext(session, 'stop');
    const failed = await session.awaitTurn(turn.id);
    assert.deepEqual([failed.status, failed.error?.type, failed.artifacts.length], ['failed', 'BudgetReached', 2]);
    assert.match(failed.error?.message ?? '', /budget of 2 tool calls\. `copilot continue ses_\w+` asks again/);
    await session.continue();
    await decideNext(session, 'raise', { limit: 100 });
    assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
  });

  itInFull('belongs to one turn: the next begins at nothing', async () => {
    play();
    const [session, turn] = await start({ toolCalls: 5 });
    await decideNext(session, 'raise', { limit: 7 });
    assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
    play();
    const next = await session.send('again');
    assert.deepEqual([next.status, next.usage.toolCalls], ['awaiting-approval', 5]);
  });

  it('the session stands above its mode, and that above the team; configure changes it in mid-turn', async () => {
    play();
    const [byMode] = await start({}, { mode: 'thrifty' });
    assert.match((await nextRequest(byMode)).question, /2 of 2 tool calls/);
    const [bySession] = await start({ toolCalls: 4 }, { mode: 'thrifty' });
    assert.match((await nextRequest(bySession)).question, /4 of 4 tool calls/);
    const [byTeam, turn] = await start({}, { team: 'modest' });
    assert.match((await nextRequest(byTeam)).question, /3 of 3 model calls/);
    await byTeam.configure({ budget: { rounds: 100 } });
    await decideNext(byTeam, 'raise', { limit: 4 });
    // What was decided in the turn stands above all.
    assert.equal((await byTeam.awaitTurn(turn.id)).usage.modelCalls, 4);
    assert.match((await nextRequest(byTeam)).question, /4 of 4 model calls/);
  });
});
