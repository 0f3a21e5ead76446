/** What turns of the shipped default team cost. Real server, real worker process, and a model that the test scripts. */
import assert from 'node:assert/strict';
import { type Economy, measureEconomy } from '../helpers/economy.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('economy of the default team', function () {
  this.timeout(120_000);
  let world: World;
  let economy: Economy;

  before(async () => {
    world = await startWorld();
    economy = await measureEconomy(world.copilot, world.model);
  });
  after(() => world.stop());

  it('[M15] a direct answer is one call, an answer with one tool two, a plan of three such steps seven', () => {
    assert.deepEqual(
      economy.turns.map(({ turn, calls }) => [turn.status, turn.route, turn.usage.toolCalls, calls]),
      [
        ['completed', 'one-shot', 0, 1],
        ['completed', 'one-shot', 1, 2],
        ['completed', 'planned', 3, 7],
        ['completed', 'one-shot', 0, 1],
      ],
    );
    assert.equal(economy.turns[2]?.turn.reply, 'The sums are 437.');
  });

  it('[M15] the first request of a direct answer has at most 1,600 tokens, tools included', () => {
    const { firstTokens = Infinity } = economy.turns[0] ?? {};
    assert.ok(firstTokens <= 1_600, `${firstTokens} tokens`);
  });

  it('[M15] 95 % of a request stay as they are over rounds and turns', () => {
    assert.ok(economy.stableOverRounds >= 0.95, `${economy.stableOverRounds} over rounds`);
    assert.ok(economy.stableOverTurns >= 0.95, `${economy.stableOverTurns} over turns`);
  });
});
