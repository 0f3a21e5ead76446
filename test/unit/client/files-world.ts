/** A client and a worker's side of session files, without a server between them. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { answerFiles, type FileParts } from '../../../src/activities/session-files.ts';
import { SessionFiles } from '../../../src/client/session/files.ts';
import type { ServerLink } from '../../../src/connection/server-link.ts';
import { fromFailure } from '../../../src/contracts/errors.ts';
import type { FileRequest } from '../../../src/contracts/files.ts';
import { openArchiveFolder } from '../../../src/storage/stores/archive-folder.ts';
import { temporaryFolder } from '../../helpers/server.ts';

export interface FilesWorld {
  readonly folder: string;
  /** Of session `ses_1`. */
  readonly workspace: string;
  readonly link: ServerLink;
  readonly files: SessionFiles;
  /** What workers were asked. */
  readonly asked: FileRequest[];
  /** Makes a file somewhere in `folder`. */
  file(name: string, content: string | Uint8Array): Promise<string>;
  remove(): Promise<void>;
}

export interface FilesWorldOptions extends Partial<FileParts> {
  /** Called before a worker answers. What it throws is the answer. */
  readonly before?: (request: FileRequest) => Promise<void> | void;
  /** Limit of the client. Default that of the worker. */
  readonly clientLimit?: number;
  /** How long the client asks again while the server is away, in ms. Default 0. */
  readonly retryForMs?: number;
  /** Folder that the session names. */
  readonly given?: string;
}

export async function createFilesWorld(options: FilesWorldOptions = {}): Promise<FilesWorld> {
  const { before, clientLimit, given, retryForMs = 0, ...changes } = options;
  const folder = await temporaryFolder();
  const workspaceRoot = join(folder, 'workspaces');
  const archiveDir = join(folder, 'archive');
  const archive = openArchiveFolder(archiveDir);
  const parts = { workspaceRoot, archive, maxFileBytes: 64 * 1024 * 1024, ceilings: [], ...changes };
  const asked: FileRequest[] = [];
  const execute = async (_: string, { args }: { args: [FileRequest, Uint8Array?] }): Promise<unknown> => {
    asked.push(args[0]);
    await before?.(args[0]);
    return await new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(
      answerFiles,
      parts,
      ...args,
    );
  };
  const link = {
    config: { taskQueue: 'copilot', maxFileBytes: clientLimit ?? parts.maxFileBytes },
    client: {
      workflow: { execute },
      workflowService: { deleteWorkflowExecution: () => Promise.resolve() },
    },
    namespace: 'default',
    retryForMs,
    call: async (work: () => Promise<unknown>) => await work(),
    checkMayChange: () => undefined,
    explain: (error: unknown) => Promise.resolve(fromFailure(error) ?? error),
  } as unknown as ServerLink; // as much of one as files need
  const of = { sessionId: 'ses_1', ...(given === undefined ? {} : { workspace: given }) };
  return {
    folder,
    workspace: join(workspaceRoot, 'ses_1'),
    link,
    files: new SessionFiles(link, () => Promise.resolve(of)),
    asked,
    file: async (name, content) => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      return path;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
