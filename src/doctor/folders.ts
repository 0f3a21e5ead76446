/** Checks the folders that sessions write to. Creates and writes nothing. */
import { access, constants, stat, statfs } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { nearestFolder } from '../storage/writable-folder.ts';
import { type Check, missing, ok, warning } from './check.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const FEW_BYTES = 2 * GIB;
const TOO_FEW_BYTES = 200 * MIB;

export async function checkFolders(config: Config): Promise<Check[]> {
  return await Promise.all([
    checkFolder('home folder', config.homeDir, 'COPILOT_HOME'),
    checkFolder('workspaces', config.workspaceRoot, 'COPILOT_WORKSPACE_ROOT'),
    checkFolder('archive', config.archiveDir, 'COPILOT_ARCHIVE_DIR'),
  ]);
}

/** Checks the folder with the least free space. */
export async function checkDisk({ homeDir, workspaceRoot, archiveDir }: Config): Promise<Check> {
  const spaces = await Promise.all(
    [homeDir, workspaceRoot, archiveDir].map(async (folder) => {
      const { bavail, bsize } = await statfs(await nearestFolder(folder));
      return { folder, bytes: bavail * bsize };
    }),
  );
  const { folder, bytes } = spaces.reduce((least, space) => (space.bytes < least.bytes ? space : least));
  const free = `${(bytes / GIB).toFixed(1)} GiB free for ${folder}`;
  const hint = `Free some space, or move the folder with COPILOT_HOME. To see what is large: du -sh ${quoted(folder)}/*`;
  if (bytes < TOO_FEW_BYTES) return missing('disk', free, hint);
  return bytes < FEW_BYTES ? warning('disk', free, hint) : ok('disk', free);
}

async function checkFolder(check: string, folder: string, variable: string): Promise<Check> {
  const there = await nearestFolder(folder);
  if (!(await stat(there)).isDirectory()) {
    return missing(check, `${there} is a file`, `Move it away, or name another folder: export ${variable}=…`);
  }
  try {
    await access(there, constants.W_OK | constants.X_OK);
  } catch {
    const hint = `sudo chown -R "$(id -un)" ${quoted(there)}, or name another folder: export ${variable}=…`;
    return missing(check, `${there} cannot be written to`, hint);
  }
  const { mode } = await stat(there);
  if (there === folder && (mode & 0o077) !== 0) {
    const detail = `${folder} is open to other users of this machine (mode ${(mode & 0o777).toString(8)})`;
    return warning(check, detail, `chmod 700 ${quoted(folder)}`);
  }
  return ok(check, there === folder ? folder : `${folder}, to be made`);
}

const quoted = (path: string): string => `'${path.replaceAll("'", String.raw`'\''`)}'`;
