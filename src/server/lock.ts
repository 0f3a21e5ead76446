/**
 * A lock between processes: a file that its owner touches, and that others break if the owner is dead.
 *
 * We do not use `proper-lockfile`: it knows no process ids, so a killed owner keeps the lock until a timeout, and two
 * processes that find it stale at the same moment can both get it. A second server would damage the database.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isAlive } from '../connection/address/home-server.ts';
import { makePrivateFolder } from '../storage/atomic-file.ts';

const POLL_MS = 50;
const TOUCH_MS = 2_000;
/** Well over TOUCH_MS: an owner whose event loop is blocked for some seconds keeps its lock. */
const STALE_MS = 30_000;

const Owner = z.object({ pid: z.int(), host: z.string(), token: z.string() });
type Owner = z.infer<typeof Owner>;

/**
 * Runs `work` while it holds the lock `file`. Waits as long as another living process holds it.
 * @param onWait called once, with the owner's process id, if the lock is not free
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait?: (pid: number) => void): Promise<T> {
  const me: Owner = { pid: process.pid, host: hostname(), token: randomUUID() };
  await makePrivateFolder(dirname(file));
  let told = false;
  while (!(await tryToTake(file, me))) {
    const owner = await readOwner(file);
    if (await isAbandoned(file, owner)) {
      await breakLock(file, owner);
      continue;
    }
    if (!told && owner !== undefined) {
      told = true;
      onWait?.(owner.pid);
    }
    await sleep(POLL_MS);
  }
  const touching = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if ((await readOwner(file))?.token === me.token) await rm(file, { force: true });
  }
}

function isSystemError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Writes the lock under another name and links it into place, so that nobody reads a lock without its owner. */
async function tryToTake(file: string, me: Owner): Promise<boolean> {
  const draft = `${file}.${me.token}`;
  try {
    await writeFile(draft, JSON.stringify(me), { flag: 'wx', mode: 0o600 });
    await link(draft, file);
    return true;
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isAbandoned(file: string, owner: Owner | undefined): Promise<boolean> {
  // If another container shares the folder, its process ids mean nothing here, only its touches do.
  if (owner?.host === hostname() && !isAlive(owner.pid)) return true;
  try {
    return Date.now() - (await stat(file)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}

/** If several processes find the same dead owner, only one removes its lock, and none removes a newer lock. */
async function breakLock(file: string, dead: Owner | undefined): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await readOwner(aside))?.token !== dead?.token) await link(aside, file);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return Owner.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}
