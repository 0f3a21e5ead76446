/** Files that come in parts from elsewhere. A part file collects them; the file appears whole, or not at all. */
import { hash } from 'node:crypto';
import { constants, lstatSync } from 'node:fs';
import { open, readdir, stat, unlink } from 'node:fs/promises';
import { CopilotError } from '../../contracts/errors.ts';
import { readInside, writeInside } from './content.ts';
import { undefinedIfMissing } from './file-problems.ts';
import { childPath, type OpenFolder, openFolder, type Place, resolveInside, type Scope } from './paths.ts';

/** Listings omit names that begin with `.copilot-`. */
const PART_PREFIX = '.copilot-upload-';
/** An upload whose client has gone is removed when another one begins this much later. */
const STALE_MS = 60 * 60 * 1_000;
const PART_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface Whole {
  readonly bytes: number;
  readonly digest: string;
}

export interface UploadPart {
  readonly path: string;
  readonly from: number;
  /** Absent before the last part if the file comes as a stream. */
  readonly whole?: Whole | undefined;
  readonly upload: string;
  readonly replace: boolean;
}

export interface Placed {
  readonly path: string;
  readonly isNew: boolean;
}

/**
 * Takes a part. The same part may come again.
 * @returns undefined unless it was the last one
 * @throws CopilotError `FileExists`, `FilesUnavailable` if parts are missing or the content is not what was announced,
 *   `ToolFailed` for a path that is not usable
 */
export async function takePart(scope: Scope, part: UploadPart, content: Uint8Array): Promise<Placed | undefined> {
  const { path, whole, from, upload } = part;
  const last = whole !== undefined && from + content.length >= whole.bytes ? whole : undefined;
  // A path that is refused is refused before much is sent in vain.
  const place = await resolveInside(scope, path, { mustExist: false });
  const isLooked = whole !== undefined && (from === 0 || last !== undefined);
  if (isLooked && (await holds(scope, place, whole.digest, whole.bytes))) {
    if (from > 0) await dropUpload(scope, upload);
    return { path: place.relative, isNew: false };
  }
  // Of a stream only the last part says whether it is the file that stands there.
  const isOther = place.kind !== undefined && whole !== undefined;
  if (isOther && !part.replace) throw new CopilotError('FileExists', { path });
  if (from === 0 && last) return await put(scope, place, { ...part, whole: last }, content);
  if (from === 0) await sweep(scope, place.root);
  const folder = await openFolder(scope, place.root, '.', path);
  try {
    const name = childPath(folder, PART_PREFIX + upload);
    await writePart(name, from, content);
    if (last === undefined) return undefined;
    try {
      const { content: all } = await readInside(scope, PART_PREFIX + upload, last.bytes);
      return await put(scope, place, { ...part, whole: last }, all);
    } finally {
      await unlink(name);
    }
  } finally {
    await folder.handle.close();
  }
}

/** Removes the parts of an upload. */
export async function dropUpload(scope: Scope, upload: string): Promise<void> {
  await removeInside(scope, PART_PREFIX + upload);
}

/** Removes a file if it still has this content. */
export async function takeBack(scope: Scope, path: string, digest: string): Promise<void> {
  const place = await resolveInside(scope, path, { mustExist: false });
  if (await holds(scope, place, digest)) await removeInside(scope, place.relative);
}

type WholeFile = Pick<UploadPart, 'path' | 'replace'> & { readonly whole: Whole };

async function put(scope: Scope, place: Place, file: WholeFile, content: Uint8Array): Promise<Placed> {
  const { path, whole, replace } = file;
  const { bytes, digest } = whole;
  if (content.length !== bytes || sha256(content) !== digest) {
    throw new CopilotError('FilesUnavailable', { path, problem: 'what arrived is not what was sent' });
  }
  const check = (target: string): void => {
    if (!replace && lstatSync(target, { throwIfNoEntry: false })) throw new CopilotError('FileExists', { path });
  };
  const { relative } = await writeInside(scope, path, Buffer.from(content), check);
  return { path: relative, isNew: place.kind === undefined };
}

/** Whether a file with this content stands there. */
async function holds(scope: Scope, place: Place, digest: string, bytes?: number): Promise<boolean> {
  if (place.kind !== 'file') return false;
  const { size } = await stat(place.absolute);
  if (bytes !== undefined && size !== bytes) return false;
  return sha256((await readInside(scope, place.relative, size)).content) === digest;
}

async function writePart(name: string, from: number, content: Uint8Array): Promise<void> {
  const handle = await open(name, PART_FLAGS | (from === 0 ? constants.O_TRUNC : 0), 0o600);
  try {
    for (let done = 0; done < content.length;) {
      done += (await handle.write(content, done, content.length - done, from + done)).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}

/** @returns whether there was a file */
export async function removeInside(scope: Scope, path: string): Promise<boolean> {
  const place = await resolveInside(scope, path, { mustExist: false });
  if (place.kind !== 'file') return false;
  scope.requireCurrent?.();
  const names = place.relative.split('/');
  const folder = await openFolder(scope, place.root, names.slice(0, -1).join('/') || '.', path);
  try {
    await unlink(childPath(folder, names.at(-1) ?? '')).catch(undefinedIfMissing);
    return true;
  } finally {
    await folder.handle.close();
  }
}

async function sweep(scope: Scope, root: string): Promise<void> {
  const folder: OpenFolder = await openFolder(scope, root, '.', '.');
  try {
    for (const name of await readdir(childPath(folder, '.'))) {
      if (!name.startsWith(PART_PREFIX)) continue;
      const part = childPath(folder, name);
      const stats = await stat(part).catch(undefinedIfMissing);
      if (stats && stats.mtimeMs < Date.now() - STALE_MS) await unlink(part).catch(undefinedIfMissing);
    }
  } finally {
    await folder.handle.close();
  }
}

const sha256 = (content: Uint8Array): string => hash('sha256', content);
