/**
 * `npm run bench -- turn cold`: measures against a minimal workflow on the raw SDK, on the same server, in the
 * same run. Ratios are what counts; absolute figures move from machine to machine.
 * `npm run bench -- list --sessions 1000`: lists over so many sessions, 10,000 by default; `agents` holds 1,000.
 * `npm run bench -- cold --turns 1000 --sessions 2`: so many sessions of so many turns, 5 of 300 by default.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { agents } from './agents.ts';
import { cold } from './cold.ts';
import { list } from './list.ts';
import { mcp } from './mcp.ts';
import { startup } from './startup.ts';
import { turn } from './turn.ts';
import { openBench } from './world.ts';

// `list` stays last: what it leaves on the server would slow the others.
const BENCHMARKS = { startup, turn, cold, agents, mcp, list };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sessions: { type: 'string' }, turns: { type: 'string' } },
});
const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, wholeNumber(name, value)]));
const names = positionals.length === 0 ? Object.keys(BENCHMARKS) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. Known: ${Object.keys(BENCHMARKS).join(', ')}.`);
  process.exit(2);
}

const world = await openBench();
try {
  for (const name of names) {
    console.log(`\n## ${name}`);
    await BENCHMARKS[name as keyof typeof BENCHMARKS](world, options); // checked above
    await sleep(500);
  }
} finally {
  await world.close();
}

function wholeNumber(name: string, value: string | undefined): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1) return number;
  console.error(`--${name} ${value} is not valid: use a whole number of at least 1.`);
  process.exit(2);
}
