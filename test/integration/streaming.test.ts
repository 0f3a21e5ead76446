/** Followers see tokens while a model writes them, and the history does not. Real server, real worker process. */
import assert from 'node:assert/strict';
import type { FollowEvent } from '../../src/client/follow/follower.ts';
import type { SessionHandle } from '../../src/client/session/session-handle.ts';
import { collect, isTurnEnd } from '../helpers/client.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** Everything a follower is given until the turn has ended. */
async function followTurn(
  session: SessionHandle,
  look: (event: FollowEvent) => void = () => undefined,
): Promise<FollowEvent[]> {
  return await collect(
    session,
    (event) => {
      look(event);
      return isTurnEnd(event);
    },
    0,
  );
}

function shownText(seen: readonly FollowEvent[]): string {
  let text = '';
  for (const event of seen) {
    if (event.type === 'reset') text = '';
    if (event.type === 'token') text += event.text;
  }
  return text;
}

describe('streaming', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const WORDS = Array.from({ length: 160 }, (_, index) => `word${index}`).join(' ');

  it('a slow reply is seen while it is written, whole and once, and adds no event to the history', async () => {
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const slow = await world.copilot.create({ mode: 'one-shot', message: 'slowly' });
    let isWritten = false;
    let early = 0;
    const seen = await followTurn(slow, ({ type }) => {
      if (type !== 'token' || isWritten) return;
      early += 1;
      void world.model.requests.at(-1)?.ended.then(() => (isWritten = true));
    });
    assert.equal(shownText(seen), WORDS);
    assert.ok(early >= 3, `${early} pieces of a reply that takes 8 s came before it was written`);

    playTeam(world.model, { answer: WORDS });
    const fast = await world.copilot.create({ mode: 'one-shot', message: 'at once' });
    await fast.awaitTurn('turn-1');
    const kinds = async (id: string) => (await fullHistory(world.temporal, id)).map(({ eventType }) => eventType);
    // The fast one was awaited by an update; the slow one was only followed.
    const updates = [41, 43];
    const workflowTasks = [5, 6, 7];
    const rest = async (id: string) =>
      (await kinds(id)).filter((kind) => ![...updates, ...workflowTasks].includes(Number(kind)));
    assert.deepEqual(await rest(slow.id), await rest(fast.id));
  });

  it('[R05] a model call that breaks off and is tried again shows no text twice and misses none', async () => {
    let calls = 0;
    playTeam(world.model, {
      instead: ({ phase }) => {
        if (phase !== 'one-shot') return undefined;
        calls += 1;
        return calls === 1 ? { text: WORDS, wordDelayMs: 40, hangUpAfterWords: 100 } : { text: WORDS, wordDelayMs: 20 };
      },
    });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'go' });
    const seen = await followTurn(session);
    assert.equal(calls, 2);
    assert.ok(
      seen.some(({ type }) => type === 'reset'),
      'the text of the first attempt is taken back',
    );
    assert.equal(shownText(seen), WORDS);

    calls = 0;
    const again = await world.copilot.create({ mode: 'one-shot', message: 'go' });
    const following = followTurn(again);
    await until('some text', async () => calls === 1 && (await again.info()).phase === 'one-shot');
    await new Promise((resolve) => setTimeout(resolve, 600));
    const replaced = world.startWorker();
    await world.workers[0]?.kill();
    await replaced;
    assert.equal(shownText(await following), WORDS);
  });
});
