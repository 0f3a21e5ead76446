/** The files of a session, which only its workers have. */
import { createHash, hash, randomUUID } from 'node:crypto';
import type { ServerLink } from '../../connection/server-link.ts';
import { CopilotError } from '../../contracts/errors.ts';
import {
  FILE_PART_BYTES,
  type FileAnswers,
  type FileFacts,
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

/** Part of a file, in bytes. */
export interface ByteRange {
  readonly from: number;
  /** One more than the last. */
  readonly to: number;
}

/** A file as it was when it was opened. */
export interface OpenedFile extends FileFacts {
  /**
   * Its bytes, each part read when it is asked for.
   * @throws CopilotError `FilesUnavailable` if the file has changed since, unless it is a range that was read; also as
   *   `get`
   */
  read(range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined>;
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
   * A file whose content is read part by part, without having all of it in memory.
   * @throws as `get`
   */
  async open(path: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<OpenedFile> {
    const file = { ...(await this.#of(signal)), path };
    const facts: FileFacts = await ask(this.#link, { ...file, kind: 'look' }, { signal });
    return { ...facts, read: (range) => readParts(this.#link, { file, facts }, range, { signal }) };
  }

  /**
   * Writes a file. It appears whole or not at all, and may be written again after an error.
   * @param content text is written as UTF-8; of a stream about 1 MiB is in memory at a time
   * @throws CopilotError `FileExists` with `replace: false` if another file has this name; also as `get`
   */
  async put(
    path: string,
    content: string | Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions = {},
  ): Promise<WrittenFile> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return await upload(this.#link, await this.#of(options.signal), { path, content: bytes }, options);
  }

  /** Deletes a file. @throws as `get`, but never `FileTooLarge` */
  async delete(path: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await ask(this.#link, { ...(await this.#of(signal)), kind: 'delete', path }, { signal });
  }
}

async function* readParts(
  link: ServerLink,
  { file, facts }: { readonly file: FilesOf & { readonly path: string }; readonly facts: FileFacts },
  { from, to }: ByteRange = { from: 0, to: facts.bytes },
  options: Options,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { path } = file;
  const hashed = createHash('sha256');
  const changed = (): CopilotError => new CopilotError('FilesUnavailable', { path, problem: 'it changed meanwhile' });
  for (let at = from; at < to; at += FILE_PART_BYTES) {
    const part = await ask(link, { ...file, kind: 'read', from: at }, options);
    const wanted = part.subarray(0, to - at);
    if (wanted.length < Math.min(FILE_PART_BYTES, to - at)) throw changed();
    hashed.update(wanted);
    yield wanted;
  }
  if (from === 0 && to === facts.bytes && hashed.digest('hex') !== facts.digest) throw changed();
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
  { path, content }: { readonly path: string; readonly content: Uint8Array | AsyncIterable<Uint8Array> },
  { replace = true, signal }: PutOptions,
): Promise<WrittenFile> {
  const isStream = !(content instanceof Uint8Array);
  if (!isStream) checkFileSize(link, path, content.length);
  const known = isStream ? undefined : { bytes: content.length, digest: hash('sha256', content) };
  const id = randomUUID().replaceAll('-', '');
  const file = { ...of, path, upload: id, replace };
  const hashed = createHash('sha256');
  let from = 0;
  let isInParts = false;
  try {
    for await (const { part, isLast } of partsOf(isStream ? content : [content])) {
      isInParts ||= !isLast;
      const bytes = from + part.length;
      checkFileSize(link, path, bytes);
      hashed.update(part);
      const whole = known ?? (isLast ? { bytes, digest: hashed.digest('hex') } : undefined);
      const request = { ...file, kind: 'write' as const, from, ...(whole ? { whole } : {}) };
      const written = await ask(link, request, { signal, content: part });
      if (written !== null) return written;
      from = bytes;
    }
    throw new CopilotError('FilesUnavailable', { path, problem: 'the worker expects more of it' });
  } catch (error) {
    if (isInParts) await takeBack(link, of, [], id);
    throw error;
  }
}

interface FilePart {
  readonly part: Uint8Array;
  readonly isLast: boolean;
}

/** Content in parts that one question carries, at least one. */
async function* partsOf(content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<FilePart> {
  let part = new Uint8Array(FILE_PART_BYTES);
  let size = 0;
  for await (let rest of content) {
    while (size + rest.length > FILE_PART_BYTES) {
      const free = FILE_PART_BYTES - size;
      part.set(rest.subarray(0, free), size);
      yield { part, isLast: false };
      rest = rest.subarray(free);
      part = new Uint8Array(FILE_PART_BYTES);
      size = 0;
    }
    part.set(rest, size);
    size += rest.length;
  }
  yield { part: part.subarray(0, size), isLast: true };
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
