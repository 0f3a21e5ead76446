/**
 * `npm run bench -- turn cold`: measures against a minimal workflow on the raw SDK, on the same server, in the
 * same run. Ratios are what counts; absolute figures move from machine to machine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cold } from './cold.ts';
import { turn } from './turn.ts';
import { openBench } from './world.ts';

const BENCHMARKS = { turn, cold };

const asked = process.argv.slice(2);
const names = asked.length === 0 ? Object.keys(BENCHMARKS) : asked;
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. Known: ${Object.keys(BENCHMARKS).join(', ')}.`);
  process.exit(2);
}

const world = await openBench();
try {
  for (const name of names) {
    console.log(`\n## ${name}`);
    await BENCHMARKS[name as keyof typeof BENCHMARKS](world); // checked above
    await sleep(500);
  }
} finally {
  await world.close();
}
