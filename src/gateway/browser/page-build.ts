/** The page as files for browsers: built with the package, or in a checkout when its source has changed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { packageDir } from '../../package-info.ts';

/** `.ts` in a checkout, `.js` in the built package. */
const isCheckout = extname(fileURLToPath(import.meta.url)) === '.ts';
const sourceDir = join(packageDir, 'src/page');
/** What `npm run build` makes. */
export const builtPageDir = join(packageDir, 'dist/page');

/**
 * Gives the folder of the page, and builds it if its source has changed.
 * @param say told before a build, which takes seconds
 * @throws CopilotError `InvalidInput` if the page is neither built nor can be
 */
export async function preparePage(
  { cacheDir }: Pick<Config, 'cacheDir'>,
  say: (line: string) => void,
): Promise<string> {
  if (!isCheckout && existsSync(builtPageDir)) return builtPageDir;
  const folder = join(cacheDir, 'page', await sourceDigest());
  if (existsSync(folder)) return folder;
  say('The page is built, once for each state of its source. That takes some seconds.');
  await mkdir(dirname(folder), { recursive: true });
  const part = await mkdtemp(`${folder}-`);
  try {
    await buildPage(part);
    // Another process may have built the same meanwhile.
    await rename(part, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}

/**
 * @returns paths of the modules in it
 * @throws CopilotError `InvalidInput` if the packages for that are not installed
 */
export async function buildPage(folder: string): Promise<string[]> {
  const vite = await import('vite').catch((cause: unknown) => {
    const problem = 'it is not built, and the package vite is not installed; run npm ci';
    throw new CopilotError('InvalidInput', { what: 'the page', problem }, { cause });
  });
  const built = await vite.build({
    root: sourceDir,
    configFile: false,
    envDir: false,
    logLevel: 'warn',
    // Inline scripts and styles are what the page's security policy forbids.
    build: { outDir: folder, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: false, target: 'es2022' },
  });
  const outputs = [built].flat().flatMap((part) => ('output' in part ? part.output : []));
  return outputs.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
}

/** Digest of everything in the page: our source and the versions of all packages. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(sourceDir, { recursive: true, withFileTypes: true });
  const files = [
    fileURLToPath(import.meta.url),
    join(packageDir, 'src/contracts/visible-text.ts'),
    join(packageDir, 'package-lock.json'),
    ...entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)),
  ];
  for (const file of files.sort()) hash.update(file).update(await readFile(file));
  return hash.digest('hex').slice(0, 32);
}
