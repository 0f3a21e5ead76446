/** Reads and writes the files of a session for clients, which may be on another host. */
import { lstat, rm, rmdir, stat } from 'node:fs/promises';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { CopilotError } from '../contracts/errors.ts';
import {
  FILE_PART_BYTES,
  type FileAnswer,
  type FileFacts,
  type FilePage,
  type FileRequest,
  type WrittenFile,
} from '../contracts/files.ts';
import { imageTypeOf } from '../contracts/image.ts';
import { FoundId } from '../contracts/session.ts';
import { archivedName, readArchived, removeArchived } from '../storage/archive.ts';
import type { ObjectStore } from '../storage/stores/object-store.ts';
import { makePrivateFolder } from '../storage/atomic-file.ts';
import { removeStored, type StoreAddress } from '../storage/payload-store.ts';
import { type Ceilings, ceilingReason, findCeiling } from '../tools/approval/ceilings.ts';
import { contentOf, openInside } from '../tools/workspace/content.ts';
import { codeOf, isFileProblem } from '../tools/workspace/file-problems.ts';
import { resolveInside, type Scope } from '../tools/workspace/paths.ts';
import { dropUpload, removeInside, takeBack, takePart } from '../tools/workspace/uploads.ts';
import { walk } from '../tools/workspace/walk.ts';
import { inScope } from './scope.ts';

/** Files of one answer, and their names in UTF-16 units. */
const PAGE_FILES = 5_000;
const PAGE_TEXT = 500_000;

export interface FileParts {
  readonly workspaceRoot: string;
  readonly archive: ObjectStore;
  readonly maxFileBytes: number;
  readonly payloadStore?: StoreAddress;
  readonly ceilings: Ceilings;
}

type Request<Kind extends FileRequest['kind']> = Extract<FileRequest, { kind: Kind }>;

/**
 * Refuses with `FileNotFound`, `FileExists`, `FileTooLarge`, and with `InvalidInput` for a path that leaves the workspace
 * or is no file.
 * @throws CopilotError `FilesUnavailable`, `ArchiveUnavailable`, `StoreUnavailable`
 */
export async function answerFiles(parts: FileParts, request: FileRequest, content?: Uint8Array): Promise<FileAnswer> {
  return await inScope(async ({ signal, isStale }) => {
    const requireCurrent = (): void => {
      signal.throwIfAborted();
      // What it does late would undo what came since.
      if (isStale()) throw new Error('this worker stood still for too long, so another one may have done it');
    };
    try {
      return await answer({ ...parts, requireCurrent, signal }, request, content ?? new Uint8Array());
    } catch (thrown) {
      const error = forPeople(request, thrown);
      if (!(error instanceof CopilotError) || error.retryable) throw error;
      return { refused: { type: error.type, details: error.details } };
    }
  });
}

interface Call extends FileParts {
  readonly signal: AbortSignal;
  /** Called right before something is changed. Throws if another worker may have taken it over. */
  readonly requireCurrent: () => void;
}

async function answer(parts: Call, request: FileRequest, content: Uint8Array): Promise<FileAnswer> {
  switch (request.kind) {
    case 'list':
      return await list(parts, request);
    case 'look':
      return await look(parts, request);
    case 'read':
      return await read(parts, request);
    case 'write':
      return await write(parts, request, content);
    case 'delete':
      return await deleteFile(parts, request);
    case 'undo':
      return await undo(parts, request);
    case 'remove':
      return await remove(parts, request);
  }
}

async function list(parts: Call, request: Request<'list'>): Promise<FilePage> {
  const scope = scopeOf(parts, request, 'read');
  const files: FilePage['files'][number][] = [];
  if (!(await isThere(scope.workspace))) return { files, next: null };
  let [index, text] = [0, 0];
  for await (const { kind, path, bytes, changedMs } of walk(scope, '.', { recursive: true })) {
    parts.signal.throwIfAborted();
    if (kind !== 'file' || index++ < request.from) continue;
    if (files.length === PAGE_FILES || text > PAGE_TEXT) return { files, next: index - 1 };
    files.push({ path, bytes, changedAt: new Date(changedMs).toISOString() });
    text += path.length;
  }
  return { files, next: null };
}

async function look(parts: Call, request: Request<'look'>): Promise<FileFacts> {
  const archived = await archivedOf(parts, request);
  if (archived) return factsOf(archivedName(request.sessionId), archived);
  return await withFile(parts, request, async (file) => factsOf(file.relative, await contentOf(file)));
}

function factsOf(path: string, content: Uint8Array): FileFacts {
  return { path, bytes: content.length, digest: hash('sha256', content), imageType: imageTypeOf(content) ?? null };
}

async function read(parts: Call, request: Request<'read'>): Promise<Uint8Array> {
  const archived = await archivedOf(parts, request);
  if (archived) return archived.subarray(request.from, request.from + FILE_PART_BYTES);
  return await withFile(parts, request, async ({ handle }) => {
    const part = new Uint8Array(FILE_PART_BYTES);
    const { bytesRead } = await handle.read(part, 0, part.length, request.from);
    return part.subarray(0, bytesRead);
  });
}

/** The session's export in the archive, if the request names no file. @throws CopilotError `FileNotFound` */
async function archivedOf(parts: Call, { sessionId, path }: Request<'look' | 'read'>): Promise<Uint8Array | undefined> {
  if (path !== undefined) return undefined;
  const content = await readArchived(parts.archive, sessionId);
  if (content === undefined) throw new CopilotError('FileNotFound', { sessionId, path: archivedName(sessionId) });
  checkSize(parts, archivedName(sessionId), content.length);
  return content;
}

async function withFile<T>(
  parts: Call,
  request: Request<'look' | 'read'>,
  work: (file: Awaited<ReturnType<typeof openInside>>) => Promise<T>,
): Promise<T> {
  const { sessionId, path = '' } = request;
  const scope = scopeOf(parts, request, 'read');
  const place = (await isThere(scope.workspace)) ? await resolveInside(scope, path, { mustExist: false }) : undefined;
  if (place?.kind === undefined) throw new CopilotError('FileNotFound', { sessionId, path });
  const file = await openInside(scope, path, Number.POSITIVE_INFINITY);
  try {
    checkSize(parts, path, file.bytes);
    return await work(file);
  } finally {
    await file.handle.close();
  }
}

async function write(parts: Call, request: Request<'write'>, content: Uint8Array): Promise<WrittenFile | null> {
  const { path, whole, from } = request;
  checkSize(parts, path, whole?.bytes ?? from + content.length);
  const scope = scopeOf(parts, request, 'write');
  await makePrivateFolder(scope.workspace);
  const placed = await takePart(scope, request, content);
  return placed === undefined || whole === undefined ? null : { ...placed, ...whole };
}

async function deleteFile(parts: Call, request: Request<'delete'>): Promise<null> {
  const { sessionId, path } = request;
  const scope = scopeOf(parts, request, 'write');
  const wasThere = (await isThere(scope.workspace)) && (await removeInside(scope, path));
  if (!wasThere) throw new CopilotError('FileNotFound', { sessionId, path });
  return null;
}

async function undo(parts: Call, request: Request<'undo'>): Promise<null> {
  const scope = scopeOf(parts, request, 'write');
  if (!(await isThere(scope.workspace))) return null;
  for (const { path, digest } of request.files) await takeBack(scope, path, digest);
  if (request.upload !== undefined) await dropUpload(scope, request.upload);
  // A workspace that was made for these files goes with them.
  if (request.workspace === undefined) await rmdir(scope.workspace).catch(() => undefined);
  return null;
}

async function remove(
  { workspaceRoot, archive, payloadStore, requireCurrent, signal }: Call,
  { sessionId, parts }: Request<'remove'>,
): Promise<null> {
  // Any text can be the id of a workflow, and some lead out of a folder.
  const isSessionId = FoundId.safeParse(sessionId).success;
  if (isSessionId && parts.includes('workspace')) {
    const folder = join(workspaceRoot, sessionId);
    const stats = await lstat(folder).catch(() => undefined);
    requireCurrent();
    // Only a symbolic link itself is removed, not its target.
    await rm(folder, { recursive: stats?.isDirectory() ?? false, force: true });
  }
  if (isSessionId && parts.includes('archive')) await removeArchived(archive, sessionId);
  const { namespace } = Context.current().info;
  if (parts.includes('payloads')) await removeStored(payloadStore, { namespace, workflowId: sessionId }, signal);
  return null;
}

/** @throws CopilotError `InvalidInput` for a folder of the host that the worker's ceilings keep sessions from */
function scopeOf(
  { workspaceRoot, ceilings, requireCurrent }: Call,
  { sessionId, workspace = join(workspaceRoot, sessionId) }: { sessionId: string; workspace?: string | undefined },
  category: 'read' | 'write',
): Scope {
  const isOwn = workspace === join(workspaceRoot, sessionId);
  const ceiling = isOwn ? undefined : findCeiling(ceilings, { name: `${category}_file`, category });
  if (ceiling === undefined) return { tool: 'files', workspace, requireCurrent };
  throw new CopilotError('InvalidInput', { what: `Workspace ${workspace}`, problem: ceilingReason(ceiling) });
}

function checkSize({ maxFileBytes: limit }: FileParts, path: string, bytes: number): void {
  if (bytes > limit) throw new CopilotError('FileTooLarge', { path, bytes, limit });
}

async function isThere(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => undefined)) !== undefined;
}

/** Tools say what is wrong to agents. */
function forPeople(request: FileRequest, error: unknown): unknown {
  const path = 'path' in request ? (request.path ?? '') : '';
  if (error instanceof CopilotError && error.type === 'ToolFailed') {
    const problem = String(error.details['problem']).replace(/\.$/, '');
    return new CopilotError('InvalidInput', { what: `File "${path}"`, problem }, { cause: error });
  }
  // A disk that is full, for example.
  if (codeOf(error) === undefined || isFileProblem(error)) return error;
  const problem = error instanceof Error ? error.message : String(error);
  return new CopilotError('FilesUnavailable', { path, problem }, { cause: error });
}
