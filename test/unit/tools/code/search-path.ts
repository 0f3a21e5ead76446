/** The isolation that this machine offers, and the weaker ones that other machines must do with. */
import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { findIsolation } from '../../../../src/tools/code/isolation.ts';

/** What each level needs, besides what a test itself runs. */
export const LEVELS = { namespaces: ['unshare', 'setpriv', 'true'], capabilities: ['setpriv', 'true'], none: [] };

/** A folder with links to these programs and no others; undefined where they do not give this level here. */
export async function searchPathOf(
  folder: string,
  level: string,
  programs: readonly string[],
): Promise<string | undefined> {
  const searchPath = join(folder, 'bin');
  await mkdir(searchPath);
  for (const program of programs) {
    const path = ['/usr/bin', '/bin'].map((place) => join(place, program)).find(existsSync);
    if (path === undefined) return undefined;
    await symlink(path, join(searchPath, program));
  }
  return (await findIsolation(searchPath)).level === level ? searchPath : undefined;
}
