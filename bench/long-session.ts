/** [P04] [P10] A session of 1,000 turns: its last turns beside its first, and the next one after its worker is gone. */
import { DEFAULT_HISTORY_LIMIT } from '../src/contracts/limits.ts';
import type { Measured } from './measured.ts';
import { type BenchWorld, median, MESSAGE, timed } from './world.ts';

const TURNS = 1_000;
/** So many turns around the tenth, and as many at the end, since a median is steadier than one value. */
const AROUND = 10;
/** Events that one more turn can add. With this many left, the session has not continued as new yet. */
const LAST_TURN = 14;
/** How often the worker is replaced, for a median. */
const WORKERS = 3;

export async function measureLongSession(world: BenchWorld): Promise<Measured[]> {
  const { copilot } = world;
  const session = await copilot.create({ mode: 'one-shot' });
  const times: number[] = [];
  for (let turn = 1; turn <= TURNS; turn++) times.push(await timed(() => session.send(MESSAGE)));
  const cold: number[] = [];
  for (let round = 0; round < WORKERS; round++) {
    // A cold worker has most to replay at the end of a run. The server tells its length; a query would warm the worker.
    while ((await session.describe()).historyLength < DEFAULT_HISTORY_LIMIT - LAST_TURN) await session.send(MESSAGE);
    await world.worker.stop();
    world.worker = await world.startWorker();
    // The worker is up and its team open, so that only the session's replay and its transcript are measured.
    await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
    cold.push(await timed(() => session.send(MESSAGE)));
  }
  const early = median(times.slice(10 - 1 - AROUND / 2, 10 + AROUND / 2));
  const late = median(times.slice(-AROUND));
  return [
    { what: 'turn 1,000 to turn 10', product: late / early, unit: '', target: { of: 'product', atMost: 1.05 } },
    { what: 'cold turn at 1,000 turns', product: median(cold), unit: 'ms', target: { of: 'product', atMost: 300 } },
  ];
}
