/** [P10] The first turn of a long session after its worker and every cache are gone, at the worst point of a run. */
import { DEFAULT_HISTORY_LIMIT } from '../src/contracts/limits.ts';
import { type BenchWorld, median, MESSAGE, show, timed } from './world.ts';

const DEFAULT_TURNS = 300;
const DEFAULT_SESSIONS = 5;
const WARM_TURNS = 20;
/** Events that one more turn can add. With this many left, the session has not continued as new yet. */
const LAST_TURN = 14;

export interface ColdOptions {
  /** Minimum number of turns of each session. Default: 300. */
  readonly turns?: number;
  /** Default: 5. */
  readonly sessions?: number;
}

export async function cold(
  world: BenchWorld,
  { turns = DEFAULT_TURNS, sessions: count = DEFAULT_SESSIONS }: ColdOptions = {},
): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: count }, () => world.copilot.create({ mode: 'one-shot' })));
  const [first] = sessions;
  if (!first) return;
  await Promise.all(
    sessions.map(async (session) => {
      for (let number = 1; number <= turns; number++) await session.send(MESSAGE);
      // A cold worker has most to replay at the end of a run. The server tells the length; a query would warm the worker.
      while ((await session.describe()).historyLength < DEFAULT_HISTORY_LIMIT - LAST_TURN) await session.send(MESSAGE);
    }),
  );
  const other = await world.copilot.create({ mode: 'one-shot' });
  await other.send(MESSAGE);
  const warm: number[] = [];
  for (let number = 0; number < WARM_TURNS; number++) warm.push(await timed(() => other.send(MESSAGE)));
  await world.worker.stop();
  world.worker = await world.startWorker();
  // The worker is up and its team open, so that only the session's replay and its transcript are measured.
  await other.send(MESSAGE);
  const times: number[] = [];
  for (const session of sessions) {
    const { historyLength } = await session.describe();
    const ms = await timed(() => session.send(MESSAGE));
    times.push(ms);
    console.log(`session with at least ${turns} turns, ${historyLength} events to replay: ${ms.toFixed(0)} ms`);
  }
  show('warm turn', warm);
  show(`first turn after ${turns} turns, worker gone`, times);
  const bound = 3 * median(warm) + 500;
  const isKept = Math.max(...times) < bound;
  console.log(
    `median (aim 500 ms): ${median(times).toFixed(0)} ms; three warm turns and 500 ms: ${bound.toFixed(0)} ms, ${isKept ? 'kept by all' : 'NOT kept by all'}`,
  );
}
