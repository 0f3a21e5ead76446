/** Where this package lies, and its version. Apart from config.ts so that `copilot --help` does not load zod for it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folder of this package, in a checkout and when installed: `package.json` and `agents/` are in it. */
export const packageDir = findPackageDir(import.meta.dirname);

/** This program's version, from `package.json`. */
export const packageVersion: string = (
  JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string }
).version; // every package.json has one

function findPackageDir(from: string): string {
  let dir = from;
  while (!existsSync(join(dir, 'package.json'))) dir = dirname(dir);
  return dir;
}
