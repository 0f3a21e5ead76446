/** [U02] [E09] How much longer CLI and client take to start than a bare `node -e 0`. Needs `npm run build`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDir } from '../src/package-info.ts';
import { programEnvironment } from '../test/helpers/worker.ts';
import { type BenchWorld, median } from './world.ts';

const ROUNDS = 7;
const BUILT = join(packageDir, 'dist/src/cli/main.js');
const SOURCE = join(packageDir, 'src/cli/main.ts');
const importOf = (module: string): string[] => ['--input-type=module', '-e', `await import('${module}')`];
const CLIENT = pathToFileURL(join(packageDir, 'dist/src/client.js')).href;

/** `limitMs` is the maximum time over bare Node. */
const CASES = [
  { name: 'bare node', args: ['-e', '0'], limitMs: undefined },
  { name: '--help, built', args: [BUILT, '--help'], limitMs: 150 },
  { name: '--help, source', args: [SOURCE, '--help'], limitMs: 300 },
  { name: 'client', args: importOf(CLIENT), limitMs: 300 },
  { name: 'its part of Temporal', args: importOf('@temporalio/client'), limitMs: undefined },
  { name: 'list, built', args: [BUILT, 'list', '--json'], limitMs: 500 },
];

/** Prints how many modules the import of a module loads. */
const COUNT = `
import { registerHooks } from 'node:module';
const urls = new Set();
registerHooks({ load: (url, context, next) => (urls.add(url), next(url, context)) });
await import(process.argv[1]);
console.log(urls.size);
`;

export async function startup({ server }: Pick<BenchWorld, 'server'>): Promise<void> {
  if (!existsSync(BUILT)) throw new Error('There is no build. Run `npm run build` first.');
  const env = programEnvironment(server);
  const samples = CASES.map((): number[] => []);
  // The first round fills the compile cache. The cases take turns, so that a busy moment hits all of them.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, { args }] of CASES.entries()) {
      const startedAt = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
      if (status !== 0) throw new Error(`node ${args.join(' ')} failed: ${stderr}`);
      if (round > 0) samples[index]?.push(performance.now() - startedAt);
    }
  }
  const medians = samples.map((values) => median(values));
  for (const [index, { name, limitMs }] of CASES.entries()) {
    const ms = medians[index] ?? 0;
    const over =
      limitMs === undefined ? '' : `, ${(ms - (medians[0] ?? 0)).toFixed(0)} over bare node (limit ${limitMs})`;
    console.log(`${name.padEnd(20)} ${ms.toFixed(0)} ms${over}`);
  }
  for (const module of [CLIENT, '@temporalio/client']) {
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', COUNT, module], { encoding: 'utf8' });
    console.log(`${stdout.trim()} modules are loaded by ${module.replace(/.*\/dist\/src\//, 'dist/src/')}`);
  }
}
