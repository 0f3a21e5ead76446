/**
 * Runs benchmarks against a minimal workflow on the raw SDK, on the same server, in the same run. Only ratios are
 * comparable; absolute figures differ between machines.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startNativePostgres } from '../scripts/native-postgres.ts';
import { actions } from './actions.ts';
import { agents } from './agents.ts';
import { cold } from './cold.ts';
import { cpu } from './cpu.ts';
import { economy } from './economy.ts';
import { followers } from './followers.ts';
import { list } from './list.ts';
import { mcp } from './mcp.ts';
import { opening } from './opening.ts';
import { rawTable } from './raw-table.ts';
import { scale } from './scale.ts';
import { startup } from './startup.ts';
import { text } from './text.ts';
import { turn } from './turn.ts';
import { openBench } from './world.ts';

// `list` runs last, because its sessions stay on the server and would slow the others.
const BENCHMARKS = { startup, opening, turn, cpu, economy, actions, text, cold, agents, mcp, followers, scale, list };
/** `raw` runs only if it is named, since it repeats others. */
const NAMED = { ...BENCHMARKS, raw: rawTable };

const USAGE = `Usage: npm run bench -- [benchmark …] [--sessions <n>] [--turns <n>] [--postgres]

Benchmarks (default: all): ${Object.keys(BENCHMARKS).join(', ')}
  raw             one table of the figures that have a target, some seven minutes
  --sessions <n>  sessions of \`list\` and \`scale\` (default 10,000), \`agents\` (1,000) and \`cold\` (5)
  --turns <n>     turns of each session of \`cold\` (default 300)
  --postgres      servers on PostgreSQL, as npm run test:postgres has them`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sessions: { type: 'string' },
    turns: { type: 'string' },
    postgres: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
const { help, postgres: isOnPostgres, ...numbers } = values;
if (help) {
  console.log(USAGE);
  process.exit(0);
}
const options = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, wholeNumber(name, value)]));
const names = positionals.length === 0 ? Object.keys(BENCHMARKS) : positionals;
const unknown = names.filter((name) => !Object.hasOwn(NAMED, name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(', ')}. Known: ${Object.keys(NAMED).join(', ')}.`);
  process.exit(2);
}

const postgres = isOnPostgres ? await startNativePostgres() : undefined;
try {
  if (postgres) process.env['COPILOT_TEST_POSTGRES'] = JSON.stringify(postgres.tests);
  await runAll();
} finally {
  await postgres?.stop();
}

async function runAll(): Promise<void> {
  const world = await openBench();
  try {
    for (const name of names) {
      console.log(`\n## ${name}`);
      await NAMED[name as keyof typeof NAMED](world, options); // checked above
      await sleep(500);
    }
  } finally {
    await world.close();
  }
}

function wholeNumber(name: string, value: string | undefined): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= 1) return number;
  console.error(`--${name} ${value} is not valid: use a whole number of at least 1.`);
  process.exit(2);
}
