/** The workflow code as one script for the workers' sandbox: built ahead, or built once per state of the source and cached. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';
import type { Config } from '../config.ts';
import { packageDir } from '../package-info.ts';
import { writeAtomically } from '../storage/atomic-file.ts';
import { encryptedFailuresPath, payloadConverterPath } from '../storage/data-converter.ts';
import { SHARED_CONTRACTS, shareModules } from './shared-modules.ts';

const here = fileURLToPath(import.meta.url);
/** `.ts` in a checkout, `.js` where the package is built. */
const extension = extname(here);
const sourceDir = join(dirname(here), '..');
const workflowsPath = join(sourceDir, 'workflows', `index${extension}`);
const interceptorsPath = join(dirname(workflowsPath), 'handlers', `message-filter${extension}`);
const contractsDir = join(sourceDir, 'contracts');

export interface BundleOptions {
  /** Whether failures have their message in a payload, which is encrypted. Default false. */
  readonly encryptedFailures?: boolean;
}

/** Where `npm run build` leaves the bundles, which differ in how failures are written. */
export function builtBundle({ encryptedFailures = false }: BundleOptions = {}): string {
  return join(packageDir, 'dist', encryptedFailures ? 'workflow-code-encrypted.js' : 'workflow-code.js');
}

/** Gives the path of the bundle, building it where the source has changed since the last time. */
export async function workflowBundle(
  { cacheDir, encryptionKeys }: Pick<Config, 'cacheDir' | 'encryptionKeys'>,
  logger: Logger,
): Promise<{ codePath: string }> {
  const options = { encryptedFailures: encryptionKeys.length > 0 };
  const built = builtBundle(options);
  if (extension === '.js' && existsSync(built)) return { codePath: built };
  const suffix = options.encryptedFailures ? '-encrypted' : '';
  const codePath = join(cacheDir, 'bundles', `${await sourceDigest()}${suffix}.js`);
  if (!existsSync(codePath)) {
    // Several workers may build at once; the same source gives the same code.
    await writeAtomically(codePath, await buildBundle(logger, options));
  }
  return { codePath };
}

/** Builds the bundle. */
export async function buildBundle(logger: Logger, { encryptedFailures = false }: BundleOptions = {}): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [interceptorsPath],
    logger,
    payloadConverterPath,
    webpackConfigHook: shareModules,
    // zod holds no state of a workflow; without this every session would load it anew. The others before any session.
    preloadModules: ['zod', ...SHARED_CONTRACTS.map((name) => join(contractsDir, `${name}${extension}`))],
    ...(encryptedFailures ? { failureConverterPath: encryptedFailuresPath } : {}),
  });
  return code;
}

async function contractModules(): Promise<string[]> {
  const names = await readdir(contractsDir);
  return names
    .filter((name) => extname(name) === extension && !name.endsWith('.d.ts'))
    .map((name) => join(contractsDir, name));
}

/** Digest of everything that goes into the bundle: our source, and the versions of all packages. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256');
  const names = await readdir(dirname(workflowsPath), { recursive: true });
  const files = [
    here,
    join(dirname(here), `shared-modules${extension}`),
    encryptedFailuresPath,
    join(packageDir, 'package.json'),
    ...(existsSync(join(packageDir, 'package-lock.json')) ? [join(packageDir, 'package-lock.json')] : []),
    ...(await contractModules()),
    ...names.filter((name) => extname(name) === extension).map((name) => join(dirname(workflowsPath), name)),
  ];
  for (const file of files.sort()) hash.update(file).update(await readFile(file));
  return hash.digest('hex').slice(0, 32);
}
