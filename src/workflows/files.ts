/** Files of a session between its workers and a client, in a workflow of its own: a session's history has no file in it. */
import { type FileAnswer, FileRequest } from '../contracts/files.ts';
import { activities } from './activities.ts';
import { accept } from './input-check.ts';

/** @param content part of a file, with `write` */
export async function copilotFiles(request: unknown, content?: Uint8Array): Promise<FileAnswer> {
  return await activities.files(accept(FileRequest, request, 'Request for files'), content);
}
