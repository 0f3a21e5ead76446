/** Gives a session files of this machine, before it starts or with a message. */
import type { Stats } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { ServerLink } from '../../connection/server-link.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { WrittenFile } from '../../contracts/files.ts';
import { IMAGE_HEAD_BYTES, type ImageReference, imageTypeOf, referenceTo } from '../../contracts/image.ts';
import { MAX_IMAGE_BYTES, MAX_IMAGES } from '../../contracts/limits.ts';
import { checkFileSize, type FilesOf, takeBack, upload } from '../session/files.ts';

export interface Attachments {
  /** Those files that models can see, in the order given. */
  readonly images: readonly ImageReference[];
  /** Removes the copies, for a session that was not started after all. */
  undo(): Promise<void>;
}

/**
 * Has a worker write the files into the session's workspace, each under its own name. A file that is already there with
 * the same content stays.
 * @throws CopilotError `InvalidInput` if a path is no readable file, a name is taken or an image is too large,
 *   `FileTooLarge`, `NoWorker`, `ServerUnreachable`; then nothing is left there
 */
export async function attachFiles(
  link: ServerLink,
  of: FilesOf,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Attachments> {
  const files = await checkFiles(link, paths);
  const images = await findImages(files);
  const made: WrittenFile[] = [];
  const undo = async (): Promise<void> => await takeBack(link, of, made);
  try {
    for (const file of files) {
      const content = { path: basename(file), content: await readFile(file) };
      const written = await upload(link, of, content, { replace: false, signal }).catch((error: unknown) => {
        if (!(error instanceof CopilotError && error.type === 'FileExists')) throw error;
        throw invalid(file, 'the workspace holds another file of this name already; rename one of them', error);
      });
      if (written.isNew) made.push(written);
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return { images, undo };
}

/** Absolute paths of readable files, no two with the same name. */
async function checkFiles(link: ServerLink, paths: readonly string[]): Promise<string[]> {
  const files = new Map<string, string>();
  for (const path of paths) {
    const file = resolve(path);
    const stats = await statOf(file);
    if (stats === undefined) throw invalid(path, 'there is no such file');
    if (stats.isDirectory())
      throw invalid(path, 'it is a folder; attach the files in it one by one, or name it as the workspace');
    if (!stats.isFile()) throw invalid(path, 'it is not a regular file');
    checkFileSize(link, path, stats.size);
    const name = basename(file);
    const other = files.get(name);
    if (other !== undefined && other !== file) throw invalid(path, `${other} has the same name; rename one of them`);
    files.set(name, file);
  }
  return [...files.values()];
}

/** References to those files that are images by their first bytes. */
async function findImages(files: readonly string[]): Promise<ImageReference[]> {
  const images: ImageReference[] = [];
  for (const file of files) {
    const content = await readImage(file);
    const reference = content && referenceTo(basename(file), content);
    if (reference) images.push(reference);
  }
  if (images.length <= MAX_IMAGES) return images;
  throw invalid(
    files[0] ?? '',
    `it is one of ${images.length} images, and a message takes ${MAX_IMAGES}; put them into a folder and name it as the workspace`,
  );
}

/** The content of a file if it is an image; other files may be of any size, and only their first bytes are read. */
async function readImage(path: string): Promise<Buffer | undefined> {
  try {
    if (imageTypeOf(await readHead(path)) === undefined) return undefined;
    const { size } = await stat(path);
    if (size > MAX_IMAGE_BYTES) {
      throw invalid(
        path,
        `it is an image of ${size} bytes, and models get at most ${MAX_IMAGE_BYTES}; make it smaller, or put it into a folder and name that as the workspace`,
      );
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof CopilotError) throw cause;
    throw invalid(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(IMAGE_HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, IMAGE_HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT') || isErrno(cause, 'ENOTDIR')) return undefined;
    throw invalid(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function invalid(path: string, problem: string, cause?: unknown): CopilotError {
  return new CopilotError(
    'InvalidInput',
    { what: `attach ("${path}")`, problem },
    cause === undefined ? {} : { cause },
  );
}
