/** [P01] [P04] A one-shot turn compared with one activity on the raw SDK, and turn 200 compared with turn 10. */
import { randomUUID } from 'node:crypto';
import { lineOf, type Measured, medians } from './measured.ts';
import { RAW_QUEUE } from './raw/queue.ts';
import { rawSession, send, stop } from './raw/workflow.ts';
import { type BenchWorld, median, MESSAGE, show, timed } from './world.ts';

const WARM_UP = 10;
const ROUNDS = 100;
const LONG = 215;
/** How many turns around the compared one count, because a median is steadier than one value. */
const AROUND = 10;

export async function turn(world: BenchWorld): Promise<void> {
  console.log(lineOf(await measureTurn(world)));
  const { copilot } = world;
  const long = await copilot.create({ mode: 'one-shot' });
  const all: number[] = [];
  for (let number = 1; number <= LONG; number++) all.push(await timed(() => long.send(MESSAGE)));
  const early = all.slice(10 - 1 - AROUND / 2, 10 + AROUND / 2);
  const late = all.slice(200 - 1 - AROUND, 200 + AROUND);
  show('turns around 10', early);
  show('turns around 200', late);
  console.log(`ratio of medians, turn 200 to turn 10 (aim 1.10): ${(median(late) / median(early)).toFixed(2)}`);
}

/** A turn of one session that does nothing else. */
export async function measureTurn({ copilot, raw }: BenchWorld): Promise<Measured> {
  const session = await copilot.create({ mode: 'one-shot' });
  const bare = await raw.workflow.start(rawSession, { workflowId: `raw-${randomUUID()}`, taskQueue: RAW_QUEUE });
  const times: (readonly [own: number, raw: number])[] = [];
  // Interleaved, so that other load on the machine affects both.
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const own = await timed(() => session.send(MESSAGE));
    const other = await timed(() => bare.executeUpdate(send, { args: [MESSAGE] }));
    if (round >= WARM_UP) times.push([own, other]);
  }
  await bare.signal(stop);
  const both = medians(times, (ms) => ms);
  return { what: 'one-shot turn of one session, median', ...both, unit: 'ms', target: { of: 'ratio', atMost: 1.15 } };
}
