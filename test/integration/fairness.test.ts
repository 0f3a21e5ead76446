/** Whose tasks the server hands out, on a real server. */
import assert from 'node:assert/strict';
import { fullHistory } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('fairness', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    playTeam(world.model);
  });
  after(() => world.stop());

  it('every run of a session has its owner as the key by which tasks are handed out', async () => {
    const long = 'ä'.repeat(100);
    for (const [user, key] of [
      ['ada', /^ada$/],
      [long, /^[0-9a-f]{64}$/],
      [undefined, /^$/],
    ] as const) {
      const session = await world.copilot.create({
        mode: 'one-shot',
        config: { historyLimit: 40 },
        ...(user === undefined ? {} : { user }),
      });
      for (let n = 0; n < 6; n++) await session.send(`m${n}`);
      assert.ok((await session.info()).runs > 1);
      const [started] = await fullHistory(world.temporal, session.id);
      const priority = started?.workflowExecutionStartedEventAttributes?.priority;
      assert.match(priority?.fairnessKey ?? '', key);
    }
  });
});
