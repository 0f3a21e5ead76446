/** Where the files of teams are: a folder with one subfolder for each team, or the folders of single teams. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Name } from '../../contracts/team.ts';

/** Absolute paths. A team has the name of its folder. */
export type TeamFolders = string | readonly string[];

export const TEAM_FILE = 'team.yaml';

/** The folder that a team has or would have. */
export function folderOf(folders: TeamFolders, team: string): string | undefined {
  return typeof folders === 'string' ? join(folders, team) : folders.find((folder) => basename(folder) === team);
}

/** Sorted names of the teams that have a `team.yaml`. */
export async function listTeams(folders: TeamFolders): Promise<string[]> {
  const names =
    typeof folders === 'string' ? ((await listFolder(folders)) ?? []) : folders.map((path) => basename(path));
  const found = await Promise.all(
    names.map(async (name) => {
      const folder = Name.safeParse(name).success ? folderOf(folders, name) : undefined;
      return folder !== undefined && (await listFolder(folder))?.includes(TEAM_FILE);
    }),
  );
  return names.filter((_, index) => found[index]).sort();
}

/**
 * Folders beside the teams that hold YAML files and are none, since they have no `team.yaml` or their name cannot be a
 * team's. Sorted names, with the reason.
 */
export async function listOtherFolders(folders: TeamFolders): Promise<{ name: string; reason: string }[]> {
  if (typeof folders !== 'string') return [];
  const teams = await listTeams(folders);
  const others = [];
  for (const name of ((await listFolder(folders)) ?? []).sort()) {
    const files = teams.includes(name) ? [] : ((await listFolder(join(folders, name))) ?? []);
    if (!files.some((file) => /\.ya?ml$/.test(file))) continue;
    const problem = Name.safeParse(name).error?.issues[0]?.message;
    others.push({
      name,
      reason: problem === undefined ? `it has no ${TEAM_FILE}` : `in the name of a team ${problem}`,
    });
  }
  return others;
}

/** Undefined if it does not exist. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
