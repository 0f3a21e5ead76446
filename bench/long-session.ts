/** [P04] [P10] A session of 1,000 turns: its turns beside those of young sessions, and the next one after its worker is gone. */
import { DEFAULT_HISTORY_LIMIT } from '../src/contracts/limits.ts';
import type { Measured } from './measured.ts';
import { type BenchWorld, median, MESSAGE, timed } from './world.ts';

const TURNS = 1_000;
/** Young sessions whose fifth to fifteenth turns take turns with those of the long one, so that both have the same machine. */
const YOUNG_SESSIONS = 8;
const FIRST_TURN = 5;
const LAST_TURN = 15;
/** Events that one more turn can add. With this many left, the session has not continued as new yet. */
const TURN_EVENTS = 14;
/** How often the worker is replaced, for a median. */
const WORKERS = 3;

export async function measureLongSession(world: BenchWorld): Promise<Measured[]> {
  const { copilot } = world;
  const session = await copilot.create({ mode: 'one-shot' });
  for (let turn = 1; turn <= TURNS; turn++) await session.send(MESSAGE);
  const early: number[] = [];
  const late: number[] = [];
  for (let count = 0; count < YOUNG_SESSIONS; count++) {
    const young = await copilot.create({ mode: 'one-shot' });
    for (let turn = 1; turn < FIRST_TURN; turn++) await young.send(MESSAGE);
    for (let turn = FIRST_TURN; turn <= LAST_TURN; turn++) {
      early.push(await timed(() => young.send(MESSAGE)));
      late.push(await timed(() => session.send(MESSAGE)));
    }
  }
  const cold: number[] = [];
  for (let round = 0; round < WORKERS; round++) {
    // A cold worker has most to replay at the end of a run. The server tells its length; a query would warm the worker.
    while ((await session.describe()).historyLength < DEFAULT_HISTORY_LIMIT - TURN_EVENTS) await session.send(MESSAGE);
    await world.worker.stop();
    world.worker = await world.startWorker();
    // The worker is up and its team open, so that only the session's replay and its transcript are measured.
    await (await copilot.create({ mode: 'one-shot' })).send(MESSAGE);
    cold.push(await timed(() => session.send(MESSAGE)));
  }
  const ratio = median(late) / median(early);
  return [
    { what: 'turn 1,000 to turn 10', product: ratio, unit: '', target: { of: 'product', atMost: 1.05 } },
    { what: 'cold turn at 1,000 turns', product: median(cold), unit: 'ms', target: { of: 'product', atMost: 300 } },
  ];
}
