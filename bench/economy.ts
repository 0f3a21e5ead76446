/** [M15] Calls and prompt tokens of turns of the default team, and how much of a request the next one repeats. */
import { measureEconomy } from '../test/helpers/economy.ts';
import { startWorld } from '../test/helpers/world.ts';

export async function economy(): Promise<void> {
  const world = await startWorld();
  try {
    const { turns, stableOverRounds, stableOverTurns } = await measureEconomy(world.copilot, world.model);
    for (const { what, calls, tokens, firstTokens } of turns) {
      console.log(`${what.padEnd(44)} calls ${calls}   prompt tokens ${tokens}, in the first call ${firstTokens}`);
    }
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    console.log(`repeated at least, over rounds ${percent(stableOverRounds)}, over turns ${percent(stableOverTurns)}`);
  } finally {
    await world.stop();
  }
}
