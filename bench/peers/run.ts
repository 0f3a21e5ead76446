/** Measures the product beside what others offer for the same conversation. Prints tables in Markdown. */
import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startScript } from '../script.ts';
import { type PeerDefinition, type PeerProcess, startPeer } from './peer-process.ts';
import { measurePeers, median } from './scenarios.ts';
import { figureTables, table } from './table.ts';

const PEERS: readonly PeerDefinition[] = [
  { name: 'durable-copilot', driver: 'product' },
  { name: 'raw Temporal SDK', driver: 'raw' },
  { name: '`@temporalio/openai-agents`', driver: 'openai-agents' },
  { name: 'LangGraph, PostgreSQL', driver: 'langgraph', variant: 'postgres' },
  { name: 'LangGraph, SQLite', driver: 'langgraph', variant: 'sqlite' },
  { name: 'DBOS, workflow per turn', driver: 'dbos-turn' },
  { name: 'DBOS, workflow per session', driver: 'dbos-session' },
  { name: 'Restate, virtual object', driver: 'restate' },
];

/** Package and the folder whose `node_modules` has it. */
const PACKAGES = {
  '@temporalio/worker': '../../',
  '@temporalio/openai-agents': '',
  '@openai/agents-core': '',
  '@langchain/langgraph': '',
  '@langchain/langgraph-checkpoint-postgres': '',
  '@langchain/langgraph-checkpoint-sqlite': '',
  '@dbos-inc/dbos-sdk': '',
  '@restatedev/restate-sdk': '',
  '@restatedev/restate-server': '',
};

const USAGE = `Usage: npm start --prefix bench/peers -- [driver …] [options]

Drivers (default: all): ${[...new Set(PEERS.map(({ driver }) => driver))].join(', ')}
  --rounds <n>         rounds of all measurements but the long conversation, at most (default 3)
  --minutes <n>        of all measurements, about; on a busy machine there are fewer rounds (default 8)
  --conversations <n>  that take turns at the same time (default 40)
  --turns <n>          of the long conversation, at most (default 300)`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    minutes: { type: 'string', default: '8' },
    conversations: { type: 'string', default: '40' },
    turns: { type: 'string', default: '300' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const wanted = PEERS.filter(({ driver }) => positionals.length === 0 || positionals.includes(driver));
const sizes = {
  rounds: wholeNumber('rounds'),
  minutes: wholeNumber('minutes'),
  conversations: wholeNumber('conversations'),
  turns: wholeNumber('turns'),
};
const unknown = positionals.filter((name) => !PEERS.some(({ driver }) => driver === name));
if (unknown.length > 0) {
  console.error(`There is no driver ${unknown.join(', ')}.\n\n${USAGE}`);
  process.exit(2);
}

const log = (line: string): void => console.error(`${new Date().toISOString()} ${line}`);
const model = await startScript('model.ts', [], /model ready (\S+)/);
const peers: PeerProcess[] = [];
const syncMs = [measureSync()];
try {
  for (const definition of wanted) {
    try {
      peers.push(await startPeer(definition, model.ready));
      log(`${definition.name} is ready`);
    } catch (error) {
      // Such as those that need PostgreSQL, on a machine without it.
      log(`${definition.name} is not measured, because it does not start: ${String(error)}`);
      process.exitCode = 1;
    }
  }
  const figures = await measurePeers(peers, sizes, log);
  syncMs.push(measureSync());
  console.log(figureTables([...figures].map(([{ name }, one]) => [name, one] as const)));
  console.log(`\n${table(['package', 'version', 'licence'], Object.entries(PACKAGES).flatMap(describePackage))}`);
  const processor = cpus()[0]?.model ?? 'unknown processor';
  console.log(
    `\n${availableParallelism()} cores (${processor}), Node ${process.version}, ${new Date().toISOString()}, ` +
      `${syncMs.map((ms) => ms.toFixed(1)).join(' ms before and ')} ms after the run for a write that waits for the disk`,
  );
} finally {
  await Promise.all(peers.map((peer) => peer.close()));
  await model.stop();
}

/** Median milliseconds of a small write to the folder of the databases, until it is on the disk. */
function measureSync(): number {
  const folder = mkdtempSync(join(tmpdir(), 'copilot-sync-'));
  const file = openSync(join(folder, 'file'), 'w');
  const times = Array.from({ length: 100 }, () => {
    writeSync(file, Buffer.alloc(4_096));
    const startedAt = performance.now();
    fdatasyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(times);
}

/** A row, if it is installed. */
function describePackage([name, folder]: [string, string]): string[][] {
  const file = new URL(`${folder}node_modules/${name}/package.json`, import.meta.url);
  if (!existsSync(file)) return [];
  const { version, license } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>; // written by npm
  return [[`\`${name}\``, version ?? '', license ?? '']];
}

function wholeNumber(name: 'rounds' | 'minutes' | 'conversations' | 'turns'): number {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number >= 1) return number;
  console.error(`--${name} ${values[name]} is not valid: use a whole number of at least 1.`);
  process.exit(2);
}
