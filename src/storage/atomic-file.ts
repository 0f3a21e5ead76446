/** Files that are whole or absent, whatever happens while they are written. */
import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CopilotError } from '../contracts/errors.ts';

/** Ending of a file while it is written. A process that is killed then leaves it behind. */
export const PART = '.part';

export interface AtomicFileOptions {
  /** Permissions of the file, less the umask. Default 0600. */
  readonly mode?: number;
  /** Permissions of folders that have to be created, less the umask. Default 0700. */
  readonly folderMode?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Makes a folder of this program's, and those above it, readable by their owner only. Existing ones stay as they are. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Makes the home folder. @throws CopilotError `InvalidConfig` if this program cannot write there */
export async function makeHomeFolder(homeDir: string): Promise<void> {
  try {
    await makePrivateFolder(homeDir);
    await access(homeDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problem = `this program cannot write there (${reason}); name a folder of your own`;
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_HOME', value: homeDir, problem }, { cause });
  }
}

/**
 * Writes beside the place and renames into it, creating missing folders. When it returns, content and name outlive a
 * crash of the machine.
 */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, folderMode = 0o700, signal }: AtomicFileOptions = {},
): Promise<void> {
  const folder = dirname(path);
  const firstMade = await mkdir(folder, { recursive: true, mode: folderMode });
  const part = `${path}.${randomUUID()}${PART}`;
  try {
    const file = await open(part, 'wx', mode);
    try {
      await file.writeFile(content, { ...(signal ? { signal } : {}) });
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  const top = firstMade === undefined ? folder : dirname(firstMade);
  for (let above = folder; above.length >= top.length; above = dirname(above)) await syncFolder(above);
}

/** What file systems answer that cannot flush a folder. There a name is as durable as it gets. */
const NOT_SUPPORTED = ['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR'];

async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && NOT_SUPPORTED.includes(String(error.code)))) throw error;
  }
}
