/** A lock between processes: a file that its owner touches, and that others break when the owner is gone. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
const TOUCH_MS = 2_000;
/** Well over TOUCH_MS: an owner whose event loop is blocked for some seconds keeps its lock. */
const STALE_MS = 30_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

/**
 * Runs `work` while holding the lock `file`; waits as long as another living process holds it.
 * @param onWait called once, with the owner's process id, when the lock is not free at once
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait?: (pid: number) => void): Promise<T> {
  const me: Owner = { pid: process.pid, host: hostname(), token: randomUUID() };
  await mkdir(dirname(file), { recursive: true });
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
  const touching = setInterval(() => void touch(file), TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if ((await readOwner(file))?.token === me.token) await rm(file, { force: true });
  }
}

/** Whether a process of this id is running here, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/** `ENOENT` and the like, undefined for anything that is not a system error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Written aside and linked into place, so that nobody reads a lock without its owner. */
async function tryToTake(file: string, me: Owner): Promise<boolean> {
  const draft = `${file}.${me.token}`;
  const handle = await open(draft, 'wx');
  try {
    await handle.writeFile(JSON.stringify(me));
    await handle.close();
    await link(draft, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isAbandoned(file: string, owner: Owner | undefined): Promise<boolean> {
  // Another container may share the folder; its process ids mean nothing here, only its touches do.
  if (owner?.host === hostname() && !isAlive(owner.pid)) return true;
  try {
    return Date.now() - (await stat(file)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}

/** Of several processes that find the same dead owner, only one may remove its lock, and no newer one. */
async function breakLock(file: string, dead: Owner | undefined): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await readOwner(aside))?.token !== dead?.token) await link(aside, file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof owner !== 'object' || owner === null) return undefined;
    const { pid, host, token } = owner as Partial<Owner>; // each field is checked on the next line
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof token !== 'string') return undefined;
    return { pid, host, token };
  } catch {
    return undefined;
  }
}

async function touch(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now).catch(() => undefined);
}
