/** The events of one turn, by `stream` and `follow`, on a real server. */
import assert from 'node:assert/strict';
import type { CopilotClient, FollowEvent } from '../../src/client.ts';
import { fails, screen } from '../helpers/client.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('the events of a turn', function () {
  this.timeout(120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld();
    client = world.copilot;
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  const all = async (events: AsyncIterable<FollowEvent>): Promise<FollowEvent[]> => {
    const seen: FollowEvent[] = [];
    for await (const event of events) seen.push(event);
    return seen;
  };
  const turnsOf = (events: readonly FollowEvent[]): string[] => [
    ...new Set(events.map((event) => ('turnId' in event ? event.turnId : 'none'))),
  ];

  it('[E08] stream gives those of its message alone, and its result', async () => {
    playTeam(world.model, { answer: 'one two three' });
    const session = await client.create({ mode: 'one-shot', message: 'first' });
    const stream = session.stream('second', { messageId: 'm-2' });
    const events = await all(stream);
    const turn = await stream.turn;
    assert.deepEqual(turnsOf(events), [turn.id]);
    assert.deepEqual([events[0]?.type, events.at(-1)?.type], ['queued', 'turn-ended']);
    assert.equal(screen(events), 'one two three');
    const result = await stream.result();
    assert.deepEqual([result.id, result.status, result.reply], [turn.id, 'completed', 'one two three']);
    // The same message again: the turn is over, and its events are given once more.
    const again = await all(session.stream('second', { messageId: 'm-2' }));
    assert.deepEqual(
      again.map(({ type }) => type).filter((type) => type !== 'token'),
      events.map(({ type }) => type).filter((type) => type !== 'token'),
    );
  });

  it('[E08] follow begins where the session stood when it was called, whenever it is read', async () => {
    const session = await client.create({ mode: 'one-shot', message: 'first' });
    await session.awaitTurn('turn-1');
    const following = session.follow();
    const turn = await session.send('second', { wait: false });
    await session.awaitTurn(turn.id);
    const seen: FollowEvent[] = [];
    for await (const event of following) {
      seen.push(event);
      if (event.type === 'turn-ended') break;
    }
    assert.deepEqual(turnsOf(seen), [turn.id]);
    assert.equal(seen[0]?.type, 'queued');
  });

  it('[E08] follow gives any turn from its beginning, also of an earlier run and of a session that has ended', async () => {
    const session = await client.create({ mode: 'one-shot', message: 'first' });
    await session.awaitTurn('turn-1');
    await world.temporal.workflow.getHandle(session.id).signal('move');
    await session.send('second');
    const events = await all(session.follow({ turnId: 'turn-1' }));
    assert.deepEqual([turnsOf(events), events.at(-1)?.type], [['turn-1'], 'turn-ended']);
    await session.complete();
    assert.deepEqual(await all(session.follow({ turnId: 'turn-1' })), events);
    await fails(all(session.follow({ turnId: 'turn-9' })), 'InvalidInput', /the session has no such turn/);
  });
});
