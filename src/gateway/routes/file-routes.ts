/** The files in the workspace of a session. */
import { z } from 'zod';
import { CopilotError } from '../../client.ts';
import { fileAnswer } from '../files/file-answer.ts';
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
      return fileAnswer(file, request.headers, query.digest !== undefined);
    },
  }),
  route({
    method: 'put',
    path: PATH,
    summary: 'Writes a file; it appears whole or not at all',
    right: 'write',
    query: Replace,
    takes: 'application/octet-stream',
    run: (call) => {
      const { session, query, request, signal } = call;
      return session.files.put(pathOf(call), request.body ?? '', { ...query, signal });
    },
  }),
  route({
    method: 'delete',
    path: PATH,
    summary: 'Deletes a file',
    right: 'write',
    run: async (call) => {
      await call.session.files.delete(pathOf(call), { signal: call.signal });
      return { deleted: true };
    },
  }),
];
