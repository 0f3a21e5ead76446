/** The workflow code as one script for the sandbox. It is built with the package, or cached for each state of the source. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { BundleOptions, Logger, WorkflowBundleOption } from '@temporalio/worker';
import type { Config } from '../../config.ts';
import { packageDir } from '../../package-info.ts';
import { writeAtomically } from '../../storage/atomic-file.ts';
import { encryptedFailuresPath, payloadConverterPath } from '../../storage/data-converter.ts';
import { shareModules } from './shared-modules.ts';

const here = fileURLToPath(import.meta.url);
/** `.ts` in a checkout, `.js` in the built package. */
const extension = extname(here);
const sourceDir = join(dirname(here), '..', '..');
const workflow = (name: string): string => join(sourceDir, 'workflows', `${name}${extension}`);
/** Our workflows alone. */
export const sessionWorkflowsPath = workflow('index');
const withServicePath = workflow('with-service');
const servicePath = workflow('service-workflows');
const interceptorsPath = workflow('handlers/message-filter');
const SHARED_FOLDERS = ['contracts', 'workflows'].map((name) => join(sourceDir, name));

type WebpackConfig = Parameters<NonNullable<BundleOptions['webpackConfigHook']>>[0];

/** The modules that the sandbox converts payloads and failures with. Default: ours, and the SDK's. */
export type BundledConverters = Pick<DataConverter, 'payloadConverterPath' | 'failureConverterPath'>;

/**
 * Path of a bundle that `npm run build` made. The two differ in how failures are written.
 * @param encryptedFailures whether their messages are in payloads, which are encrypted
 */
export function builtBundlePath(encryptedFailures: boolean): string {
  return join(packageDir, 'dist', encryptedFailures ? 'workflow-code-encrypted.js' : 'workflow-code.js');
}

/**
 * Gives the path of the bundle, and builds it if the source has changed.
 * @param own the data converter of a caller; its modules go into a bundle that is built each time
 */
export async function prepareBundle(
  { cacheDir, encryptionKeys }: Pick<Config, 'cacheDir' | 'encryptionKeys'>,
  logger: Logger,
  own?: BundledConverters,
): Promise<WorkflowBundleOption> {
  const { payloadConverterPath: payload, failureConverterPath: failure } = own ?? {};
  if (payload !== undefined || failure !== undefined) {
    const converters = {
      ...(payload === undefined ? {} : { payloadConverterPath: payload }),
      ...(failure === undefined ? {} : { failureConverterPath: failure }),
    };
    return { code: await buildBundle(logger, converters) };
  }
  const encryptedFailures = own === undefined && encryptionKeys.length > 0;
  const built = builtBundlePath(encryptedFailures);
  if (extension === '.js' && existsSync(built)) return { codePath: built };
  const suffix = encryptedFailures ? '-encrypted' : '';
  const codePath = join(cacheDir, 'bundles', `${await sourceDigest()}${suffix}.js`);
  if (!existsSync(codePath)) {
    // Several workers may build at once: the same source gives the same code.
    await writeAtomically(codePath, await buildBundle(logger, encryptedFailures ? ENCRYPTED : {}));
  }
  return { codePath };
}

/** Converters of a bundle for workers with encryption keys. */
export const ENCRYPTED: BundledConverters = { failureConverterPath: encryptedFailuresPath };

export async function buildBundle(logger: Logger, converters: BundledConverters = {}): Promise<string> {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode(
    withSessions({
      ...converters,
      workflowsPath: sessionWorkflowsPath,
      logger,
      // Each worker parses the map. It needs lines, and our workers show no sources in stack traces.
      webpackConfigHook: (config) => ({
        ...withoutLowering(config),
        devtool: 'inline-nosources-cheap-module-source-map',
      }),
    }),
  );
  return code;
}

/** Syntax that Node has, such as private fields, is faster than what it can be lowered to. */
function withoutLowering(config: WebpackConfig): WebpackConfig {
  const rules = config.module?.rules?.map((rule) => {
    if (typeof rule !== 'object' || rule === null || typeof rule.use !== 'object' || Array.isArray(rule.use))
      return rule;
    const { use } = rule;
    if (use === null || typeof use.options !== 'object') return rule;
    const jsc = { ...Object(use.options.jsc), target: 'es2024' };
    return { ...rule, use: { ...use, options: { ...use.options, jsc } } };
  });
  return { ...config, module: { ...config.module, ...(rules && { rules }) } };
}

/** Adds sessions to what a bundle is built from. Its own workflows, if it has any but ours, stay as they are. */
export function withSessions(options: BundleOptions): BundleOptions {
  const { workflowsPath: service, webpackConfigHook: own = (config) => config } = options;
  const isService = service !== sessionWorkflowsPath;
  return {
    ...options,
    workflowsPath: isService ? withServicePath : sessionWorkflowsPath,
    workflowInterceptorModules: [...(options.workflowInterceptorModules ?? []), interceptorsPath],
    payloadConverterPath: options.payloadConverterPath ?? payloadConverterPath,
    // Modules that are loaded before any session are loaded once. Those of the SDK and zod keep nothing of a session.
    preloadModules: [
      ...(options.preloadModules ?? []),
      'zod',
      '@temporalio/workflow',
      interceptorsPath,
      sessionWorkflowsPath,
    ],
    webpackConfigHook: (config) => {
      const joined = isService ? withAlias(own(config), servicePath, service) : own(config);
      return shareModules(joined, SHARED_FOLDERS);
    },
  };
}

function withAlias(config: WebpackConfig, name: string, replacement: string): WebpackConfig {
  const { alias = {} } = config.resolve ?? {};
  const added = Array.isArray(alias) ? [...alias, { name, alias: replacement }] : { ...alias, [name]: replacement };
  return { ...config, resolve: { ...config.resolve, alias: added } };
}

/** Digest of everything in the bundle: our source and the versions of all packages. */
async function sourceDigest(): Promise<string> {
  const hash = createHash('sha256');
  const modulesIn = async (folder: string): Promise<string[]> =>
    (await readdir(folder, { recursive: true }))
      .filter((name) => extname(name) === extension)
      .map((name) => join(folder, name));
  const files = [
    here,
    join(dirname(here), `shared-modules${extension}`),
    encryptedFailuresPath,
    ...['package.json', 'package-lock.json'].map((name) => join(packageDir, name)).filter((path) => existsSync(path)),
    ...(await Promise.all(SHARED_FOLDERS.map(modulesIn))).flat(),
  ];
  for (const file of files.sort()) hash.update(file).update(await readFile(file));
  return hash.digest('hex').slice(0, 32);
}
