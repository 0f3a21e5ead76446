/** The files in the workspace of a session. */
import { z } from 'zod';
import { CopilotError } from '../../client.ts';
import { checkPreconditions, fileAnswer } from '../files/file-answer.ts';
import { readUploads } from '../files/upload-form.ts';
import { GatewayError } from '../problem.ts';
import { type Call, Flag, type Route, route } from './route.ts';

const PATH = '/v1/sessions/{id}/files/{+path}';
const Replace = z.strictObject({
  /** Default true. */
  replace: Flag.optional(),
});
const Digest = z.string().regex(/^[0-9a-f]{64}$/, 'use the sha-256 of the content, in hex');

/** @throws CopilotError `InvalidInput` */
function pathOf({ path, request }: Pick<Call, 'path' | 'request'>): string {
  try {
    // The router leaves escapes that are no characters as they are.
    decodeURIComponent(new URL(request.url).pathname);
  } catch (cause) {
    throw new CopilotError('InvalidInput', { what: 'path', problem: 'its escapes are not UTF-8' }, { cause });
  }
  return path['path'] ?? '';
}

/** @throws GatewayError `PreconditionFailed` */
async function checkFile(call: Call): Promise<void> {
  const { session, request, signal } = call;
  if (!request.headers.has('if-match') && !request.headers.has('if-none-match')) return;
  const now = await session.files.open(pathOf(call), { signal }).catch((error: unknown) => {
    if (error instanceof CopilotError && error.type === 'FileNotFound') return undefined;
    throw error;
  });
  checkPreconditions(now, request.headers);
}

export const fileRoutes: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/sessions/{id}/files',
    summary: 'Lists all files, those in subfolders too',
    right: 'read',
    run: ({ session, signal }) => session.files.list({ signal }),
  }),
  route({
    method: 'post',
    path: '/v1/sessions/{id}/files',
    summary: 'Writes the files of a form, each under its own name',
    right: 'write',
    query: Replace,
    takes: 'multipart/form-data',
    status: 201,
    run: ({ session, query, request, signal }) =>
      readUploads(request, (name, content) => session.files.put(name, content, { ...query, signal })),
  }),
  route({
    method: 'get',
    path: PATH,
    summary: 'The content of a file, or a range of it; with a digest, only if the file still has this content',
    right: 'read',
    query: z.strictObject({ digest: Digest.optional() }),
    media: 'application/octet-stream',
    run: async (call) => {
      const { session, query, request, signal } = call;
      const file = await session.files.open(pathOf(call), { signal });
      if (query.digest !== undefined && query.digest !== file.digest) {
        throw new GatewayError('NotFound', `"${file.path}" has changed: its digest is now ${file.digest}.`);
      }
      return fileAnswer(file, request, query.digest !== undefined);
    },
  }),
  route({
    method: 'put',
    path: PATH,
    summary: 'Writes a file; it appears whole or not at all',
    right: 'write',
    query: Replace,
    takes: 'application/octet-stream',
    run: async (call) => {
      const { session, query, request, signal } = call;
      if (request.headers.has('content-range')) {
        throw new CopilotError('InvalidInput', { what: 'content-range', problem: 'a file is written whole' });
      }
      await checkFile(call);
      return await session.files.put(pathOf(call), request.body ?? '', { ...query, signal });
    },
  }),
  route({
    method: 'delete',
    path: PATH,
    summary: 'Deletes a file',
    right: 'write',
    run: async (call) => {
      await checkFile(call);
      await call.session.files.delete(pathOf(call), { signal: call.signal });
      return { deleted: true };
    },
  }),
];
