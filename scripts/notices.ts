/** Licence notices of the packages whose code is in what `npm run build` bundles. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of a package, in whatever folder: the package's folder, and its name. */
const OF_PACKAGE = /^(.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))[\\/]/;
const NOTICE = /^(licen[cs]e|notice|copying)/i;
const HEADING =
  'This package contains code of the packages below, in its command (dist/bundled), its page (dist/page) and its\n' +
  'workflow code (dist/workflow-code.js, dist/workflow-code-encrypted.js). Their licences ask for these notices.';

/**
 * The text of the licence files of every package that one of these modules is from.
 * @param modules absolute paths of what was bundled; those outside of node_modules are our own
 * @throws Error if a package has no licence file
 */
export async function readNotices(modules: readonly string[]): Promise<string> {
  const folders = new Map<string, string>();
  for (const module of modules) {
    const [, folder, name] = OF_PACKAGE.exec(module) ?? [];
    if (folder !== undefined && name !== undefined) folders.set(name, folder);
  }
  const sorted = [...folders].toSorted(([one], [other]) => one.localeCompare(other, 'en'));
  const notices = await Promise.all(sorted.map(([name, folder]) => noticeOf(name, folder)));
  return [HEADING, ...notices].join(`\n\n${'-'.repeat(80)}\n\n`);
}

async function noticeOf(name: string, folder: string): Promise<string> {
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    readonly version: string;
    readonly license?: string;
  }; // every package has one
  const files = (await readdir(folder)).filter((file) => NOTICE.test(file)).toSorted();
  if (files.length === 0)
    throw new Error(`${name} is bundled and has no licence file: ask its authors, or replace it.`);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return [`${name} ${version} (${license ?? 'see below'})`, ...texts.map((text) => text.trim())].join('\n\n');
}

/** What a bundle of workflow code consists of, by the source map at its end. */
export function bundledModules(code: string): string[] {
  const maps = code.match(/(?<=sourceMappingURL=data:application\/json;charset=utf-8;base64,)[A-Za-z0-9+/=]+/g) ?? [];
  const map = Buffer.from(maps.at(-1) ?? '', 'base64').toString();
  return (JSON.parse(map) as { readonly sources: string[] }).sources; // the form of source maps
}
