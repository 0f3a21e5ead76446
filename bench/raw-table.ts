/** The product beside the smallest workflow on the raw SDK, in one table. It takes some seven minutes on a machine that is idle. */
import { measureTurns } from './cpu.ts';
import { measureLongSession } from './long-session.ts';
import { lineOf, type Measured, tableOf } from './measured.ts';
import { measureOpening } from './opening.ts';
import { measureTurn } from './turn.ts';
import type { BenchWorld } from './world.ts';

/** So each round has one beginning of a run of each session. */
const FEW = { sessions: 40, turns: 18, rounds: 7 };
const MANY = { sessions: 200, turns: 3, rounds: 9 };

/** Linux only. */
export async function rawTable(world: BenchWorld): Promise<void> {
  const rows: Measured[] = [];
  const add = (measured: readonly Measured[]): void => {
    rows.push(...measured);
    for (const row of measured) console.log(lineOf(row));
  };
  const { worker, server, rate } = await measureTurns(world, FEW);
  add([worker, server, rate]);
  add([(await measureTurns(world, MANY)).rate]);
  add([await measureTurn(world)]);
  add(await measureOpening(world));
  add(await measureLongSession(world));
  console.log(`\n${tableOf(rows)}`);
}
