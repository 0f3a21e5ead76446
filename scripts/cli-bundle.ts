/**
 * Bundles the `copilot` command with the packages that it loads, so that it starts in two thirds of the time. Commands
 * that run worker code load it from dist/src: it loads code of the user, which imports this package from there.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type OutputChunk, type Plugin, type RolldownBuild, type RolldownOutput, rolldown } from 'rolldown';
import { packageDir } from '../src/package-info.ts';
import { isDescriptor, namesNothing, smallerDescriptor } from './smaller-descriptor.ts';

const folder = join(packageDir, 'dist/bundled');
/** Modules of `src`. Temporal's SDK loads the converters by paths that the code computes from the place of its own file. */
const ENTRIES = ['cli/main', 'cli/program', 'contracts/payload-converter', 'storage/failure-converter'];
/** Modules of `src/cli/operations`. */
const WORKER_COMMANDS = ['serve', 'gateway', 'doctor', 'replay', 'codec'];
/** Packages without a licence file, whose notice we could not repeat. */
const NO_LICENCE_FILE = ['@bomb.sh/tab'];

/** Leaves out worker code, and packages that are loaded only when they are needed. */
const leaveOut: Plugin = {
  name: 'leave-out',
  resolveId: (source, _importer, { kind }) => {
    const [, command] = /\/operations\/(.*)\.ts$/.exec(source) ?? [];
    // Seen from a folder of the bundle.
    if (command !== undefined && WORKER_COMMANDS.includes(command))
      return { id: `../../src/cli/operations/${command}.js`, external: true };
    const isPackage = !source.startsWith('.');
    const isLeftOut = (isPackage && kind === 'dynamic-import') || NO_LICENCE_FILE.includes(source);
    return isLeftOut ? { id: source, external: true } : undefined;
  },
};

/** @returns paths of the modules in it */
export async function buildCli(): Promise<string[]> {
  const draft = await bundleWith(
    (path) => (namesNothing(path) ? '' : undefined),
    (bundle) => bundle.generate(),
  );
  const { nested } = smallerDescriptor(chunksOf(draft).map(({ code }) => code));
  // `Root.fromJSON` would resolve all types at once.
  const descriptorModule = `const { Root } = require('protobufjs/light');
    module.exports = new Root().addJSON(${JSON.stringify(nested)});`;
  await rm(folder, { recursive: true, force: true });
  const written = await bundleWith(
    (path) => (isDescriptor(path) ? descriptorModule : undefined),
    (bundle) =>
      bundle.write({
        dir: folder,
        entryFileNames: '[name].js',
        // The code that computes the paths of converters is in `storage`.
        chunkFileNames: 'storage/[name]-[hash].js',
        // Names stay, for stack traces and for code that reads them.
        minify: { mangle: false },
      }),
  );
  return chunksOf(written).flatMap(({ moduleIds }) => moduleIds);
}

const chunksOf = ({ output }: RolldownOutput): OutputChunk[] => output.filter((part) => part.type === 'chunk');

/** @param load code of a module instead of what its file has */
async function bundleWith(
  load: (path: string) => string | undefined,
  use: (bundle: RolldownBuild) => Promise<RolldownOutput>,
): Promise<RolldownOutput> {
  const bundle = await rolldown({
    input: Object.fromEntries(ENTRIES.map((module) => [module, join(packageDir, 'src', `${module}.ts`)])),
    platform: 'node',
    plugins: [leaveOut, { name: 'load', load }],
  });
  try {
    return await use(bundle);
  } finally {
    await bundle.close();
  }
}
