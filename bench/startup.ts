/**
 * [U02] [E09] How much longer CLI and client take to start than a bare `node -e 0`, and the CPU time of commands, which
 * other load on the machine changes less. Needs `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDir } from '../src/package-info.ts';
import { programEnvironment } from '../test/helpers/worker.ts';
import { type BenchWorld, median } from './world.ts';

const ROUNDS = 11;
const BUILT = join(packageDir, 'dist/bundled/cli/main.js');
const UNBUNDLED = join(packageDir, 'dist/src/cli/main.js');
const SOURCE = join(packageDir, 'src/cli/main.ts');
const importOf = (module: string): string[] => ['--input-type=module', '-e', `await import('${module}')`];
const CLIENT = pathToFileURL(join(packageDir, 'dist/src/client.js')).href;

/** The least that `list` could do. */
const LIST = `
import { Client, Connection } from '@temporalio/client';
const connection = await Connection.connect({ address: process.env['TEMPORAL_ADDRESS'] });
for await (const _ of new Client({ connection }).workflow.list()) break;
await connection.close();
`;

interface Case {
  readonly name: string;
  readonly args: readonly string[];
  readonly input?: string;
  /** Maximum time over bare Node. */
  readonly limitMs?: number;
  /** Maximum CPU time. */
  readonly cpuLimitMs?: number;
}

/** @param id a session */
const casesOf = (id: string): readonly Case[] => [
  { name: 'bare node', args: ['-e', '0'] },
  { name: '--help, built', args: [BUILT, '--help'], limitMs: 150 },
  { name: '--help, source', args: [SOURCE, '--help'], limitMs: 300 },
  { name: 'client', args: importOf(CLIENT), limitMs: 300 },
  { name: 'its part of Temporal', args: importOf('@temporalio/client') },
  { name: 'list, built', args: [BUILT, 'list', '--json'], limitMs: 500, cpuLimitMs: 500 },
  { name: "a list by Temporal's client", args: ['--input-type=module', '-e', LIST] },
  { name: 'list, not bundled', args: [UNBUNDLED, 'list', '--json'] },
  { name: 'show, built', args: [BUILT, 'show', id], cpuLimitMs: 500 },
  { name: 'chat, built', args: [BUILT, 'chat', id], input: '/quit\n', cpuLimitMs: 500 },
];

/** Writes the CPU time of the process to its file 3 when it ends. */
const TELL_CPU = `data:text/javascript,${encodeURIComponent(`
import { writeSync } from 'node:fs';
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  writeSync(3, String((user + system) / 1000));
});`)}`;

/** Prints how many modules the import of a module loads. */
const COUNT = `
import { registerHooks } from 'node:module';
const urls = new Set();
registerHooks({ load: (url, context, next) => (urls.add(url), next(url, context)) });
await import(process.argv[1]);
console.log(urls.size);
`;

export async function startup({ server, copilot }: Pick<BenchWorld, 'server' | 'copilot'>): Promise<void> {
  if (!existsSync(BUILT)) throw new Error('There is no build. Run `npm run build` first.');
  const env = programEnvironment(server);
  const { id } = await copilot.create({ mode: 'one-shot' });
  const cases = casesOf(id);
  const samples = cases.map((): { ms: number; cpuMs: number }[] => []);
  // The first round fills the compile cache. The cases take turns, so that a busy moment hits all of them.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, { args, input = '' }] of cases.entries()) {
      const startedAt = performance.now();
      const { status, stderr, output } = spawnSync(process.execPath, ['--import', TELL_CPU, ...args], {
        env,
        encoding: 'utf8',
        input,
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      });
      if (status !== 0) throw new Error(`node ${args.join(' ')} failed: ${stderr}`);
      if (round > 0) samples[index]?.push({ ms: performance.now() - startedAt, cpuMs: Number(output[3]) });
    }
  }
  const bareMs = median(samples[0]?.map(({ ms }) => ms) ?? []);
  for (const [index, { name, limitMs, cpuLimitMs }] of cases.entries()) {
    const ms = median(samples[index]?.map((sample) => sample.ms) ?? []);
    const cpuMs = median(samples[index]?.map((sample) => sample.cpuMs) ?? []);
    const over = limitMs === undefined ? '' : `, ${(ms - bareMs).toFixed(0)} over bare node (limit ${limitMs})`;
    const limit = cpuLimitMs === undefined ? '' : ` (limit ${cpuLimitMs})`;
    console.log(`${name.padEnd(27)} ${ms.toFixed(0)} ms${over}; CPU ${cpuMs.toFixed(0)} ms${limit}`);
  }
  for (const module of [CLIENT, '@temporalio/client']) {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', COUNT, module], { encoding: 'utf8' });
    console.log(`${stdout.trim()} modules are loaded by ${module.replace(/.*\/dist\/src\//, 'dist/src/')}`);
  }
}
