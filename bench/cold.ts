/** P10: the first turn of a long session after its worker and every cache are gone. */
import { type BenchWorld, MESSAGE, show, timed } from './world.ts';

const TURNS = 300;
const SESSIONS = 5;

export async function cold(world: BenchWorld): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => world.copilot.create({ mode: 'one-shot' })));
  const warm: number[] = [];
  await Promise.all(
    sessions.map(async (session) => {
      for (let number = 1; number <= TURNS; number++) await session.send(MESSAGE);
    }),
  );
  const first = sessions[0];
  for (let number = 0; first && number < 20; number++) warm.push(await timed(() => first.send(MESSAGE)));
  await world.worker.stop();
  world.worker = await world.startWorker();
  const other = await world.copilot.create({ mode: 'one-shot' });
  // A worker that is up: its team is open, the sessions' replay and transcripts are what is measured.
  await other.send(MESSAGE);
  const times: number[] = [];
  for (const session of sessions) {
    const { historyLength } = await historyOf(session);
    const ms = await timed(() => session.send(MESSAGE));
    times.push(ms);
    console.log(`session with ${TURNS} turns, ${historyLength} events to replay: ${ms.toFixed(0)} ms`);
  }
  show('warm turn', warm);
  show(`first turn after ${TURNS} turns, worker gone (aim 500)`, times);
}

/** From the server, not by a query: a query would replay the session and warm it up. */
async function historyOf(session: { describe(): Promise<{ historyLength: number }> }): Promise<{ historyLength: number }> {
  return await session.describe();
}
