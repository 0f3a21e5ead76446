/**
 * `npm run check:image` computes the size of the worker's image without Docker: it runs the build stage of the Dockerfile
 * in a temporary folder, measures what the last stage copies from it, and adds what Debian says of its own part.
 */
import { execFile } from 'node:child_process';
import { cp, lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../src/package-info.ts';

const MEGABYTE = 1_000_000;
const MAX_MB = 400;
/**
 * Unpacked, of amd64: the image debian:bookworm-slim as `docker images` lists it, and what `apt-get install` in it says of
 * "additional disk space" for libstdc++6 and python3.
 */
const OF_DEBIAN = { 'debian:bookworm-slim': 74.8, 'libstdc++6 python3': 33.1 };
const MAX_OUTPUT_BYTES = 64 * 1_024 * 1_024;

const dockerfile = (await readFile(join(packageDir, 'Dockerfile'), 'utf8')).replaceAll(/\\\n\s*/g, '');
const [, build = '', final = ''] = dockerfile.split(/^FROM .*$/m);
const folder = await mkdtemp(join(tmpdir(), 'copilot-image-'));
try {
  for (const [, instruction = '', words = ''] of build.matchAll(/^(COPY|RUN) (.*)$/gm)) {
    if (instruction === 'COPY') await copy(words.split(' '));
    else if (!words.startsWith('apt-get')) await run(words);
  }
  const sizes = new Map<string, number>(Object.entries(OF_DEBIAN));
  for (const [, from = '', source = ''] of final.matchAll(/^COPY (--from=build )?(\S+) \S+$/gm)) {
    const path = from === '' ? join(packageDir, source) : placeOf(source);
    if (path !== undefined) sizes.set(source, (await bytesIn(path)) / MEGABYTE);
  }
  const sum = [...sizes.values()].reduce((total, size) => total + size, 0);
  for (const [name, size] of sizes) console.log(`${size.toFixed(1).padStart(6)} MB  ${name}`);
  console.log(`${sum.toFixed(1).padStart(6)} MB  in all; at most ${MAX_MB}`);
  if (sum > MAX_MB) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Where a path of the build stage is here. Undefined if it is Debian's. */
function placeOf(path: string): string | undefined {
  if (path === '/node') return join(folder, 'node');
  return path.startsWith('/app/') ? join(folder, 'app', path.slice('/app/'.length)) : undefined;
}

async function copy(words: readonly string[]): Promise<void> {
  const target = words.at(-1) ?? '';
  for (const source of words.slice(0, -1)) {
    const to = target.endsWith('/') ? join(target, source) : target;
    await cp(join(packageDir, source), join(folder, 'app', to), { recursive: true });
  }
}

async function run(command: string): Promise<void> {
  const here = command.replaceAll('/usr/local/bin/node', process.execPath).replaceAll(' /node', ` ${folder}/node`);
  console.log(here);
  const env = { ...process.env, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) };
  await promisify(execFile)('sh', ['-c', here], { cwd: join(folder, 'app'), env, maxBuffer: MAX_OUTPUT_BYTES });
}

async function bytesIn(path: string): Promise<number> {
  const stats = await lstat(path);
  if (!stats.isDirectory()) return stats.size;
  const names = await readdir(path);
  const sizes = await Promise.all(names.map((name) => bytesIn(join(path, name))));
  return sizes.reduce((total, size) => total + size, 0);
}
