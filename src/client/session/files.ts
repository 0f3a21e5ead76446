/** The files of a session, which only its workers have. */
import { hash, randomUUID } from 'node:crypto';
import type { ServerLink } from '../../connection/server-link.ts';
import { CopilotError } from '../../contracts/errors.ts';
import {
  FILE_PART_BYTES,
  type FileAnswers,
  FileRequest,
  type Refused,
  type SessionFile,
  type SessionPart,
  type WrittenFile,
} from '../../contracts/files.ts';
import { FILES_WORKFLOW } from '../../contracts/messages.ts';
import { askWorkers } from '../ask-workers.ts';
import { checkInput } from '../checked-input.ts';

/** How often a file is read anew that changes while it is read. */
const READ_ATTEMPTS = 3;

/** Whose files are meant. */
export interface FilesOf {
  readonly sessionId: string;
  /** Folder that the session names. */
  readonly workspace?: string | undefined;
}

interface Options {
  readonly signal?: AbortSignal | undefined;
}

export interface PutOptions extends Options {
  /** Whether the file may take the place of another one. Default true. */
  readonly replace?: boolean | undefined;
}

/**
 * The files in a session's workspace, by way of its workers: a client may run anywhere. Paths are relative to the
 * workspace. `artifacts` of a turn are such paths.
 */
export class SessionFiles {
  readonly #link: ServerLink;
  readonly #of: (signal: AbortSignal | undefined) => Promise<FilesOf>;

  constructor(link: ServerLink, of: (signal: AbortSignal | undefined) => Promise<FilesOf>) {
    this.#link = link;
    this.#of = of;
  }

  /**
   * All files, those in subfolders too. Links are left out.
   * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async list({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<readonly SessionFile[]> {
    const of = await this.#of(signal);
    const files: SessionFile[] = [];
    for (let from: number | null = 0; from !== null;) {
      const page: FileAnswers['list'] = await ask(this.#link, { ...of, kind: 'list', from }, { signal });
      files.push(...page.files);
      from = page.next;
    }
    return files;
  }

  /**
   * The content of a file.
   * @throws CopilotError `FileNotFound`; `FileTooLarge` above 64 MiB, or what COPILOT_MAX_FILE_MIB says; `InvalidInput`
   *   for a path that leaves the workspace or is no file; `SessionNotFound`, `NoWorker`, `ServerUnreachable`
   */
  async get(path: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Uint8Array> {
    return await download(this.#link, await this.#of(signal), path, { signal });
  }

  /**
   * Writes a file. It appears whole or not at all, and may be written again after an error.
   * @param content text is written as UTF-8
   * @throws CopilotError `FileExists` with `replace: false` if another file has this name; also as `get`
   */
  async put(path: string, content: string | Uint8Array, options: PutOptions = {}): Promise<WrittenFile> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return await upload(this.#link, await this.#of(options.signal), { path, content: bytes }, options);
  }
}

/** Reads a file; without a path the session's export in the archive. @throws as {@link SessionFiles.get} */
export async function download(
  link: ServerLink,
  of: FilesOf,
  path: string | undefined,
  options: Options,
): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    const file = { ...of, ...(path === undefined ? {} : { path }) };
    const { bytes, digest } = await ask(link, { ...file, kind: 'look' }, options);
    const parts: Uint8Array[] = [];
    for (let from = 0; from < bytes; from += FILE_PART_BYTES) {
      parts.push(await ask(link, { ...file, kind: 'read', from }, options));
    }
    const content = Buffer.concat(parts);
    if (hash('sha256', content) === digest) return content;
    if (attempt === READ_ATTEMPTS) {
      throw new CopilotError('FilesUnavailable', { path: path ?? of.sessionId, problem: 'it changes all the time' });
    }
  }
}

/** @throws as {@link SessionFiles.put} */
export async function upload(
  link: ServerLink,
  of: FilesOf,
  { path, content }: { readonly path: string; readonly content: Uint8Array },
  { replace = true, signal }: PutOptions,
): Promise<WrittenFile> {
  const bytes = content.length;
  checkFileSize(link, path, bytes);
  const id = randomUUID().replaceAll('-', '');
  const file = { ...of, path, bytes, digest: hash('sha256', content), upload: id, replace };
  try {
    for (let from = 0; ; from += FILE_PART_BYTES) {
      const part = content.subarray(from, from + FILE_PART_BYTES);
      const written = await ask(link, { ...file, kind: 'write', from }, { signal, content: part });
      if (written !== null) return written;
    }
  } catch (error) {
    if (bytes > FILE_PART_BYTES) await takeBack(link, of, [], id);
    throw error;
  }
}

/** @throws CopilotError `FileTooLarge` */
export function checkFileSize({ config }: ServerLink, path: string, bytes: number): void {
  const { maxFileBytes: limit } = config;
  if (bytes > limit) throw new CopilotError('FileTooLarge', { path, bytes, limit });
}

/** Removes files again. If no worker answers, they stay. */
export async function takeBack(
  link: ServerLink,
  of: FilesOf,
  files: readonly WrittenFile[],
  uploadId?: string,
): Promise<void> {
  const undone = files.map(({ path, digest }) => ({ path, digest }));
  const parts = uploadId === undefined ? {} : { upload: uploadId };
  await ask(link, { ...of, ...parts, kind: 'undo', files: undone }, {}).catch(() => undefined);
}

/**
 * Removes parts of a session; without any it only finds out whether a worker answers.
 * @throws CopilotError `NoWorker`, `ArchiveUnavailable`, `StoreUnavailable`, `ServerUnreachable`
 */
export async function removeParts(
  link: ServerLink,
  sessionId: string,
  parts: readonly SessionPart[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await ask(link, { kind: 'remove', sessionId, parts: [...parts] }, { signal });
}

/** @throws CopilotError `InvalidInput`, `NoWorker`, `ServerUnreachable`, and what the worker refuses it with */
async function ask<Kind extends FileRequest['kind']>(
  link: ServerLink,
  request: Extract<FileRequest, { kind: Kind }>,
  { signal, content }: Options & { readonly content?: Uint8Array },
): Promise<FileAnswers[Kind]> {
  const checked = checkInput(FileRequest, request, '');
  const changes = request.kind !== 'list' && request.kind !== 'look' && request.kind !== 'read';
  if (changes) link.checkMayChange();
  const summary = `${request.kind} files of ${request.sessionId}`;
  const args = content === undefined ? [checked] : [checked, content];
  const isLarge = request.kind === 'read' || request.kind === 'write';
  const answer = await askWorkers<FileAnswers[Kind] | Refused>(link, {
    type: FILES_WORKFLOW,
    args,
    prefix: 'files',
    summary,
    isLarge,
    isPatient: request.kind !== 'undo',
    signal,
  });
  if (isRefused(answer)) throw new CopilotError(answer.refused.type, answer.refused.details);
  return answer;
}

function isRefused(answer: FileAnswers[keyof FileAnswers] | Refused): answer is Refused {
  return answer !== null && 'refused' in answer;
}
